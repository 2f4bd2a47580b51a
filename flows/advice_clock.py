"""How far one `tritune advise` is: which cells are done or under way, and which begins in the time left."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.advice_asked import Asked
from flows.display import Display
from tritune.advise.effort import Effort
from tritune.advise.timetable import Clock, cell_seconds, running_order, seeds_within
from tritune.errors import InputError
from tritune.pipeline.cells import Cell
from tritune.pipeline.machine import read_measurement
from tritune.pipeline.outcome import Outcome
from tritune.pipeline.reproduce import StageRunner
from tritune.settings.project import Project


@dataclass
class Curves:
    """One `tritune advise`: what was asked for, and how far it is."""

    root: Path
    project: Project
    asked: Asked
    runner: StageRunner
    display: Display
    deadline: float
    """Of the last cell, on the monotonic clock."""

    places: int
    efforts: Mapping[str, Effort] = field(default_factory=dict)
    guessed: Mapping[str, float] = field(default_factory=dict)
    """Size -> seconds of a cell, before any was computed."""

    prefix_seconds: float = 0.0
    """That the first cell takes besides, for all of them."""

    measured: dict[str, list[float]] = field(default_factory=dict)
    done: set[Cell] = field(default_factory=set)
    under_way: dict[Cell, float] = field(default_factory=dict)
    """Cell -> when it began."""

    def costs(self) -> list[float]:
        """Return the seconds that a cell of each size takes, by what is known now.

        No less than one of its size has been under way.
        """
        seconds, now = cell_seconds(self.guessed, self.measured), time.monotonic()
        for cell, began in self.under_way.items():
            first = 0.0 if self.measured else self.prefix_seconds
            seconds[cell.size] = max(seconds[cell.size], now - began - first)
        return [seconds[size] for size in self.asked.sizes]

    def have(self) -> list[int]:
        """Return how many seeds of each size are done or under way."""
        known = [*self.done, *self.under_way]
        return [sum(cell in known for cell in self.asked.cells(size)) for size in self.asked.sizes]

    def clock(self) -> Clock:
        """Return what time is left now."""
        now, costs = time.monotonic(), dict(zip(self.asked.sizes, self.costs(), strict=True))
        busy = [max(0.0, began + costs[cell.size] - now) for cell, began in self.under_way.items()]
        left = self.deadline - now - (0.0 if self.measured else self.prefix_seconds)
        return Clock(left, busy, self.places)

    def counts(self) -> list[int]:
        """Return how many seeds each size gets in all."""
        return seeds_within(self.costs(), done=self.have(), most=self.asked.seeds, clock=self.clock())

    def next_cell(self) -> Cell | None:
        """Return the cell to begin now; None: none that would end in time is left.

        The first begins even so: an estimate may be wrong, and what is begun goes on another time.
        """
        if not any(self.have()):
            return self.asked.all_cells()[0]
        order = running_order(self.have(), self.counts())
        if not order:
            return None
        taken = self.done | set(self.under_way)
        return next(cell for cell in self.asked.cells(self.asked.sizes[order[0]]) if cell not in taken)


def too_late(curves: Curves) -> bool:
    """Return whether no cell may begin any more, where there are some to report on.

    Raises:
        InputError: There are none.
    """
    if time.monotonic() < curves.deadline:
        return False
    if not curves.done:
        raise InputError(
            "--budget is too short: it went for the stages that the curves are computed from, which are up "
            "to date now; give the same again, or more"
        )
    curves.display.say("the time is up; reporting on what there is")
    return True


def note(curves: Curves, cell: Cell, outcome: Outcome) -> None:
    """Remember that a cell is done, and how long it took if all of it was computed now."""
    seconds = time.monotonic() - curves.under_way.pop(cell)
    curves.done.add(cell)
    told = read_measurement(curves.root, cell.stage)
    if outcome.state == "Completed" and not told.get("resumed"):
        curves.measured.setdefault(cell.size, []).append(seconds - told.get("prefix_seconds", 0.0))
