"""From how many examples on one method is shown to be better than another: between which sizes, if at all."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Crossing:
    """How one method stands to another as the examples become more."""

    found: bool
    """Whether both were seen: the method shown to be worse, and at a larger size shown to be better."""

    words: str
    """A sentence without its full stop."""


def crossing(one: str, other: str, shown: Sequence[tuple[int, int]]) -> Crossing:
    """Return where `one` overtakes `other`, as far as it is shown.

    Args:
        shown: For each size, ascending: examples, and 1 where `one` is shown to be better, -1 where `other`
            is, 0 where neither is. At least one.
    """
    largest = shown[-1][0]
    ahead = [size for size, sign in shown if sign > 0]
    behind = [size for size, sign in shown if sign < 0]
    if not ahead and not behind:
        return Crossing(False, f"{one} and {other} are not shown to differ at any size")
    if not ahead:
        at = _sizes(behind)
        until = "not seen" if behind[-1] == largest else "not shown"
        return Crossing(
            False, f"{one} overtaking {other} is {until} up to {largest:,} examples: it is worse at {at}"
        )
    first = ahead[0]
    before = [size for size in behind if size < first]
    after = [size for size in behind if size > first]
    if after:
        return Crossing(
            False, f"{one} is better than {other} at {_sizes(ahead)} examples and worse at {_sizes(behind)}"
        )
    unclear = [size for size, sign in shown if sign == 0 and size > first]
    if before:
        but = f", but at {_sizes(unclear)} neither is shown to be better" if unclear else ""
        return Crossing(True, f"{one} overtakes {other} between {before[-1]:,} and {first:,} examples{but}")
    if unclear:
        unclear = [size for size, sign in shown if sign == 0]
        at = f"at {_sizes(ahead)} examples, but at {_sizes(unclear)} neither is shown to be"
        return Crossing(False, f"{one} is better than {other} {at}")
    if first == shown[0][0]:
        start = f"already at {first:,} examples, the fewest that were tried"
        return Crossing(False, f"{one} is better than {other} {start}")
    return Crossing(
        False, f"{one} is better than {other} from {first:,} examples on; with fewer, neither is shown to be"
    )


def _sizes(sizes: Sequence[int]) -> str:
    *most, last = (f"{size:,}" for size in sizes)
    return f"{', '.join(most)} and {last}" if most else last
