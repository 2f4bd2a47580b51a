"""Rows side by side in bins of one width, so that attention of many short rows is one product of few sizes.

A bin is as wide as its group's longest row needs, and shorter rows share one; a mask keeps them apart. Long
rows and short ones get groups of their own where the pairs of places that this saves cost more than a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PAIRS_PER_GROUP = 4000
"""Pairs of places whose attention costs about as much as one more group does."""

PAIRS_PER_SIZE = 16000
"""Pairs whose attention costs about as much as a group of a size of its own, where each new one is dear."""

MOST_PAIRS = 2**17
"""Of a group, so that what is computed of it is still in the processor's cache when it is read."""

MOST_ROWS = 8
"""In a bin, so that where one token of each row is read, a bin has places for as many."""


@dataclass(frozen=True)
class Bins:
    """Of one group of rows."""

    width: int
    """Places of a bin."""

    count: int
    """Of bins; the last may be empty."""

    lengths: np.ndarray
    """[rows] tokens of each row."""

    bins: np.ndarray
    """[rows] the bin of each."""

    offsets: np.ndarray
    """[rows] where each begins in its bin."""

    @cached_property
    def column(self) -> np.ndarray:
        """[tokens] the place of each in its row."""
        begins = np.cumsum(self.lengths) - self.lengths
        column: np.ndarray = np.arange(self.lengths.sum()) - np.repeat(begins, self.lengths)
        return column

    @cached_property
    def places(self) -> np.ndarray:
        """[tokens] the place of each among those of all bins."""
        first = np.repeat(self.bins * self.width + self.offsets, self.lengths)
        places: np.ndarray = first + self.column
        return places


def bins_of(lengths: Sequence[int], *, few_sizes: bool) -> list[Bins]:
    """Return the groups of a batch's rows, longest first.

    Args:
        lengths: tokens of each row, longest first.
        few_sizes: whether there are to be few counts of bins, and few widths.
    """
    widths = [bin_width(length) for length in lengths]
    starts = [row for row, width in enumerate(widths) if row == 0 or width != widths[row - 1]]
    per_size = PAIRS_PER_SIZE if few_sizes else PAIRS_PER_GROUP
    best: dict[int, tuple[int, list[Bins]]] = {len(lengths): (0, [])}
    for begin in reversed(starts):
        found = []
        for end in [*(start for start in starts if start > begin), len(lengths)]:
            groups = _filled(lengths[begin:end], widths[begin], few_counts=few_sizes)
            pairs = sum(group.count for group in groups) * widths[begin] ** 2
            cost, rest = best[end]
            cost += per_size + (len(groups) - 1) * PAIRS_PER_GROUP + pairs
            found.append((cost, [*groups, *rest]))
        best[begin] = min(found, key=lambda each: each[0])
    return best[0][1]


def bin_width(length: int) -> int:
    """Return the places of a bin that holds a row of so many tokens.

    A multiple of 32, the numbers in bf16 that an instruction takes, and above 128 of a quarter of the power
    of two below.
    """
    return rounded_up(length, least=32, between_powers=4)


def rounded_up(size: int, *, least: int, between_powers: int) -> int:
    """Return the next multiple of a step, as many steps as are said from a power of two to the next."""
    step = max(least, (1 << (size - 1).bit_length()) // 2 // between_powers)
    return -(-size // step) * step


def _filled(lengths: Sequence[int], width: int, *, few_counts: bool) -> list[Bins]:
    """Put each row, longest first, into the first bin that has room; begin another group where none has."""
    most, found = max(1, MOST_PAIRS // width**2), []
    room: list[int] = []
    rows: list[int] = []
    bins: list[int] = []
    offsets: list[int] = []
    begun = 0
    for row, length in enumerate(lengths):
        fitting = (n for n, free in enumerate(room) if free >= length and rows[n] < MOST_ROWS)
        chosen = next(fitting, len(room))
        if chosen == most:
            found.append(Bins(width, most, *map(np.array, (lengths[begun:row], bins, offsets))))
            room, rows, bins, offsets, begun, chosen = [], [], [], [], row, 0
        if chosen == len(room):
            room.append(width)
            rows.append(0)
        bins.append(chosen)
        offsets.append(width - room[chosen])
        room[chosen] -= length
        rows[chosen] += 1
    count = min(most, rounded_up(len(room), least=1, between_powers=2)) if few_counts else len(room)
    return [*found, Bins(width, count, *map(np.array, (lengths[begun:], bins, offsets)))]
