"""How many seeds each size gets within a budget of time, and which cell comes next.

A cell is one size with one seed. The clock decides how many cells are computed, never what comes out of one.
Every size is to have three seeds before any has more, as fewer show nothing; small sizes come first, as they
cost little. Cells run in the order of their sizes, so that whenever time is up the small sizes are complete
and the large ones have whole seeds.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tritune.evidence import FEWEST_SEEDS


@dataclass(frozen=True)
class Clock:
    """What time there is."""

    seconds: float
    """Until the last cell has to be done."""

    busy: Sequence[float] = ()
    """Seconds that each of the cells under way still takes."""

    places: int = 1
    """How many cells run side by side."""


def seeds_within(costs: Sequence[float], *, done: Sequence[int], most: int, clock: Clock) -> list[int]:
    """Return how many seeds each size gets in all.

    Args:
        costs: Seconds of a cell of each size, sizes ascending.
        done: How many seeds each size has, cells under way among them.
        most: Seeds that were asked for.
    """
    counts = list(done)
    for level in (min(FEWEST_SEEDS, most), most):
        for index in range(len(costs)):
            while counts[index] < level:
                counts[index] += 1
                if not _fits(costs, done=done, counts=counts, clock=clock):
                    counts[index] -= 1
                    break
    return counts


def seconds_needed(
    costs: Sequence[float], *, done: Sequence[int], counts: Sequence[int], clock: Clock
) -> float:
    """Return when the last of the cells is done that are missing from `counts`, run in the order of sizes."""
    free = sorted([*clock.busy, *[0.0] * clock.places])[-clock.places :]
    heapq.heapify(free)
    for cost, have, wanted in zip(costs, done, counts, strict=True):
        for _ in range(wanted - have):
            heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def cell_seconds(guessed: Mapping[str, float], measured: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return what a cell of each size takes: what it took, or the guess corrected by what others took.

    Args:
        guessed: Size -> seconds, before any cell ran.
        measured: Size -> seconds of the cells that ran; may lack sizes.
    """
    off = [seconds / guessed[size] for size, each in measured.items() for seconds in each]
    factor = fmean(off) if off else 1.0
    return {
        size: fmean(measured[size]) if measured.get(size) else factor * guess
        for size, guess in guessed.items()
    }


def _fits(costs: Sequence[float], *, done: Sequence[int], counts: Sequence[int], clock: Clock) -> bool:
    return seconds_needed(costs, done=done, counts=counts, clock=clock) <= clock.seconds
