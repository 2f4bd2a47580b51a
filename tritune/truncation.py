"""Which part of a text that is too long is kept.

Source: Sun et al. 2019, https://arxiv.org/abs/1905.05583, section 5.3.1: the first 128 and the last 382 of
510 tokens did best on long reviews. Where we differ: the same proportion, a quarter and the rest, of any
length.
"""

from collections.abc import Sequence
from typing import Literal

Keep = Literal["head", "tail", "head_tail"]


def cut(ids: Sequence[int], special: Sequence[int], *, max_length: int, keep: Keep) -> list[int]:
    """Return the ids of a text with its special tokens, the text's own ids cut so that all fit.

    Args:
        ids: Token ids of one text, special tokens in.
        special: 1 where a special token was put in, 0 on the text's own; as long as `ids`.
        max_length: Tokens in all; more than the special ones at both ends.
        keep: head: the start of the text. tail: its end. head_tail: a quarter of the room for the start, the
            rest for the end.
    """
    if len(ids) <= max_length:
        return list(ids)
    first = next((place for place, mark in enumerate(special) if not mark), len(ids))
    last = len(ids) - next((place for place, mark in enumerate(reversed(special)) if not mark), 0)
    room = max_length - first - (len(ids) - last)
    head = {"head": room, "tail": 0, "head_tail": room // 4}[keep]
    middle = [*ids[first : first + head], *ids[last - (room - head) : last]]
    return [*ids[:first], *middle, *ids[last:]]
