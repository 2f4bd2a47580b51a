"""How many seeds each size gets within a budget of time, and which cell comes next.

A cell is one size with one seed. The clock decides how many cells are computed, never what comes out of one.
Every size is to have three seeds before any has more, as fewer show nothing; small sizes come first, as they
cost little. Cells run in this order too, so that what the large ones take is known before a small one gets
its fourth seed.
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
    """Return when the last of the cells is done that are missing from `counts`, run in their order."""
    free = sorted([*clock.busy, *[0.0] * clock.places])[-clock.places :]
    heapq.heapify(free)
    for index in running_order(done, counts):
        heapq.heappush(free, heapq.heappop(free) + costs[index])
    return max(free)


def running_order(done: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Return the numbers of the sizes whose cells are missing, in the order in which these begin.

    Args:
        done: How many seeds each size has, sizes ascending.
        counts: How many it is to have.
    """
    have, order = list(done), []
    for level in (FEWEST_SEEDS, max(counts)):
        for index, wanted in enumerate(counts):
            missing = max(0, min(level, wanted) - have[index])
            order += [index] * missing
            have[index] += missing
    return order


def cell_seconds(guessed: Mapping[str, float], measured: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return what a cell of each size takes: what it took, or the guess corrected as that of the largest is.

    That of the largest that ran: of a small cell most is its start, which says nothing of a large one.

    Args:
        guessed: Size -> seconds, before any cell ran; sizes ascending.
        measured: Size -> seconds of the cells that ran; may lack sizes.
    """
    ran = [size for size in guessed if measured.get(size)]
    factor = fmean(measured[ran[-1]]) / guessed[ran[-1]] if ran else 1.0
    return {
        size: fmean(measured[size]) if measured.get(size) else factor * guess
        for size, guess in guessed.items()
    }


def _fits(costs: Sequence[float], *, done: Sequence[int], counts: Sequence[int], clock: Clock) -> bool:
    return seconds_needed(costs, done=done, counts=counts, clock=clock) <= clock.seconds
