"""What a method says of one tensor: whether it learns, and how fast relative to the method's own rate."""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tritune.errors import InputError


@dataclass(frozen=True)
class Rate:
    """How fast one tensor learns."""

    multiple: float = 1.0
    """Of the method's learning rate; 0: frozen."""

    absolute: float | None = None
    """A learning rate of its own, whatever the method's is."""

    exponent: int | None = None
    """How often a layer-wise decay is in `multiple`."""

    start: float = 0.0
    """Share of all steps at which it begins to learn, in [0, 1)."""

    @property
    def frozen(self) -> bool:
        """Whether the tensor does not learn."""
        return self.absolute is None and self.multiple == 0


FROZEN = Rate(multiple=0.0)


def matching(pattern: str, names: Iterable[str], *, key: str, what: str = "tensor") -> set[str]:
    """Return the names that a shell pattern matches, case and all.

    Args:
        what: The names are of, for the message.

    Raises:
        InputError: It matches none. The message names `key` of params.yaml and the closest names.
    """
    names = list(names)
    found = {name for name in names if fnmatch.fnmatchcase(name, pattern)}
    if not found:
        close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
        raise InputError(
            f"{key}: the pattern {pattern!r} matches no {what} of the model; the closest names are "
            f"{', '.join(close)}; `tritune plan` lists the model's parts"
        )
    return found


def some_of(names: Sequence[str]) -> str:
    """Return names in a row, of more than four only the first three and how many there are besides."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
