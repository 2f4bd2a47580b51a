"""Windows of a text longer than a model reads, cut between words, each word answered in one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Window:
    """Neighbouring words that are read together."""

    start: int
    """The first word."""

    end: int
    """One past the last."""

    answered_from: int
    """The first word that is answered here; those before it are there as context."""

    answered_to: int
    """One past the last word that is answered here."""


def word_windows(lengths: Sequence[int], *, room: int, stride: int) -> list[Window]:
    """Return windows that cover all words in their order, each word answered in exactly one of them.

    A word in two windows is answered where it has more context on its poorer side, so that two neighbours
    share the words that they have in common half and half.

    Args:
        lengths: Tokens of each word, in [0, room].
        room: Tokens that a window holds, 1 or more.
        stride: Tokens that two neighbours have in common, 0 or more; fewer where words are long, and where
            otherwise a window would bring nothing new.

    Returns:
        At least one window.
    """
    spans = [(0, _end(lengths, 0, room))]
    while spans[-1][1] < len(lengths):
        before_start, before_end = spans[-1]
        start, shared = before_end, 0
        # One more word from before, as long as the first new word has its place and the window moves on.
        while (
            start - 1 > before_start
            and shared + lengths[start - 1] <= stride
            and shared + lengths[start - 1] + lengths[before_end] <= room
        ):
            start -= 1
            shared += lengths[start]
        spans.append((start, _end(lengths, start, room)))
    places = [0]
    for length in lengths:
        places.append(places[-1] + length)
    # Where the answers pass from one window to the next.
    borders = [0]
    for (start, end), (next_start, next_end) in pairwise(spans):
        border = max(next_start, borders[-1])
        while border < end and _context(places, border, start, end) >= _context(
            places, border, next_start, next_end
        ):
            border += 1
        borders.append(border)
    borders.append(len(lengths))
    return [
        Window(start, end, borders[index], borders[index + 1]) for index, (start, end) in enumerate(spans)
    ]


def _end(lengths: Sequence[int], start: int, room: int) -> int:
    """Return one past the last word that fits into a window."""
    end, taken = start, 0
    while end < len(lengths) and taken + lengths[end] <= room:
        taken += lengths[end]
        end += 1
    return end


def _context(places: Sequence[int], word: int, start: int, end: int) -> tuple[int, int]:
    """Return a word's tokens of context on its poorer side, then on both, in the window [start, end)."""
    before, after = places[word] - places[start], places[end] - places[word + 1]
    return min(before, after), before + after
