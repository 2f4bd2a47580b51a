"""The part of a context in which gold and given answer stand, cut into marked pieces."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

AROUND = 120
"""Characters shown before and after a marked span."""

GAP = "…"

Mark = Literal["", "gold", "said", "both"]


class Piece(NamedTuple):
    """A stretch of text."""

    text: str
    mark: Mark
    """Which answers it is a part of."""


def excerpt(context: str, *, gold: tuple[int, int] | None, said: tuple[int, int] | None) -> list[Piece]:
    """Return the surroundings of both spans, left to right; what is left out is an ellipsis.

    Args:
        context: The whole text.
        gold: Characters of the gold answer, the end one past the last. None: it has none.
        said: Of the given answer.
    """
    spans = [span for span in (gold, said) if span is not None]
    shown = _shown(context, spans)
    borders = sorted({0, len(context), *(place for span in (*spans, *shown) for place in span)})
    pieces: list[Piece] = []
    for start, end in pairwise(borders):
        if not any(first <= start and end <= last for first, last in shown):
            if not pieces or pieces[-1].text != GAP:
                pieces.append(Piece(GAP, ""))
            continue
        in_gold = gold is not None and gold[0] <= start and end <= gold[1]
        in_said = said is not None and said[0] <= start and end <= said[1]
        mark: Mark = "both" if in_gold and in_said else "gold" if in_gold else "said" if in_said else ""
        pieces.append(Piece(context[start:end], mark))
    return pieces


def _shown(context: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches to show, apart from each other, ends at spaces where one is near."""
    if not spans:
        return [(0, _at_space(context, 2 * AROUND))]
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        first = max(0, start - AROUND)
        if first:
            first = context.rfind(" ", max(0, first - 20), first) + 1 or first
        last = _at_space(context, end + AROUND)
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _at_space(context: str, place: int) -> int:
    if place >= len(context):
        return len(context)
    space = context.find(" ", place, place + 20)
    return place if space < 0 else space
