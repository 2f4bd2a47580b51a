"""The schedule of `tritune advise` by a clock of its own: what begins when, and that all ends in time."""

import heapq
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from flows import advice_clock as module
from flows.advice_asked import Asked
from flows.advice_clock import Curves, note, too_late
from flows.advise import next_move, stopped_at
from tritune.errors import InputError
from tritune.pipeline.cells import Cell
from tritune.pipeline.outcome import Outcome, StageFailed

SIZES = ("300", "1000", "all")
TRUE_SECONDS = {"300": 20.0, "1000": 60.0, "all": 100.0}


class Simulation:
    """Cells that take `TRUE_SECONDS` on places side by side, on a clock that only they move."""

    def __init__(self, monkeypatch, *, deadline: float, guessed: dict[str, float], places: int) -> None:
        self.now = 0.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "read_measurement", lambda *_: {})
        self.curves = Curves(
            root=Path(),
            project=Mock(),
            asked=Asked(SIZES, (13, 14, 15, 16, 17)),
            runner=Mock(),
            display=Mock(),
            deadline=deadline,
            places=places,
            guessed=guessed,
        )
        self.begun: list[Cell] = []

    def run(self) -> None:
        running: list[tuple[float, str, Cell]] = []
        while True:
            while len(running) < self.curves.places and (cell := self.curves.next_cell()) is not None:
                self.begun.append(cell)
                self.curves.under_way[cell] = self.now
                heapq.heappush(running, (self.now + TRUE_SECONDS[cell.size], cell.name, cell))
            if not running:
                return
            self.now, _, cell = heapq.heappop(running)
            note(self.curves, cell, Outcome(cell.stage, "Completed", "ran"))

    def seeds(self) -> list[int]:
        return [sum(cell.size == size for cell in self.curves.done) for size in SIZES]


@pytest.fixture
def simulate(monkeypatch):
    def run(*, deadline: float, off: float = 1.0, places: int = 2) -> Simulation:
        guessed = {size: off * seconds for size, seconds in TRUE_SECONDS.items()}
        simulation = Simulation(monkeypatch, deadline=deadline, guessed=guessed, places=places)
        simulation.run()
        return simulation

    return run


def test_with_time_for_all_every_size_has_three_seeds_first_and_every_seed_in_the_end(simulate):
    done = simulate(deadline=10_000.0)
    assert done.seeds() == [5, 5, 5]
    order = [size for seeds in (3, 2) for size in SIZES for _ in range(seeds)]
    assert [cell.size for cell in done.begun] == order
    assert [cell.seed for cell in done.begun if cell.size == "all"] == [13, 14, 15, 16, 17]
    assert done.now == 460.0  # 900 seconds on two places, whose last cells don't end together


def test_with_less_time_the_large_sizes_lack_seeds_and_all_ends_before_the_deadline(simulate):
    for deadline in range(60, 460, 10):
        done = simulate(deadline=float(deadline))
        small, middle, large = done.seeds()
        assert done.now <= deadline
        assert small >= middle >= large
    assert simulate(deadline=300.0).seeds() == [5, 3, 3]


def test_a_start_that_was_guessed_too_long_takes_no_seed_from_the_large_sizes(monkeypatch):
    """Then the small cells are much faster than guessed, which says nothing of the large ones."""
    guessed = {size: seconds + (30.0 if size != "all" else -20.0) for size, seconds in TRUE_SECONDS.items()}
    # 3 * 20 + 3 * 60 + 3 * 100 are 540.
    done = Simulation(monkeypatch, deadline=560.0, guessed=guessed, places=1)
    done.run()
    assert done.seeds()[2] == 3
    assert done.now <= 560.0


def test_no_cell_begins_that_one_of_its_size_under_way_shows_to_be_too_long(monkeypatch):
    late = Simulation(monkeypatch, deadline=100.0, guessed=TRUE_SECONDS, places=2)
    late.curves.done = {Cell("300", seed) for seed in late.curves.asked.seed_numbers}
    late.curves.under_way[Cell("1000", 13)] = -60.0
    late.now = 10.0
    assert late.curves.next_cell() == Cell("1000", 14)  # takes 60, it seems, or 70; 90 are left
    late.now = 35.0  # 65 are left, and the one under way has taken 95
    assert late.curves.next_cell() is None


@pytest.mark.parametrize("off", [0.5, 2.0])
def test_a_wrong_guess_is_mended_by_what_the_first_cells_took(simulate, off):
    done = simulate(deadline=400.0, off=off)
    right = simulate(deadline=400.0)
    assert done.now <= 400.0
    assert sum(done.seeds()) >= sum(right.seeds()) - 1


def test_the_first_cell_begins_even_if_it_seems_too_long(simulate):
    assert simulate(deadline=25.0, off=10.0).seeds()[0] >= 1
    assert simulate(deadline=10.0, off=10.0, places=1).begun == [Cell("300", 13)]


def test_a_cell_that_came_from_the_cache_or_was_half_done_says_nothing_of_its_time(monkeypatch):
    done = Simulation(monkeypatch, deadline=100.0, guessed=TRUE_SECONDS, places=1)
    cell = Cell("300", 13)
    for state, told in (("Restored", {}), ("Completed", {"resumed": True})):
        monkeypatch.setattr(module, "read_measurement", lambda *_, told=told: told)
        done.curves.under_way[cell] = 0.0
        note(done.curves, cell, Outcome(cell.stage, state, ""))
    assert done.curves.measured == {}
    monkeypatch.setattr(module, "read_measurement", lambda *_: {"prefix_seconds": 5.0})
    done.now = 30.0
    done.curves.under_way[cell] = 0.0
    note(done.curves, cell, Outcome(cell.stage, "Completed", ""))
    assert done.curves.measured == {"300": [25.0]}


def test_when_the_budget_went_before_any_cell_it_reports_what_there_is_or_says_so(monkeypatch):
    late = Simulation(monkeypatch, deadline=100.0, guessed=TRUE_SECONDS, places=1)
    assert not too_late(late.curves)
    late.now = 100.0
    with pytest.raises(InputError) as refused:
        too_late(late.curves)
    assert str(refused.value) == (
        "--budget is too short: it went for the stages that the curves are computed from, which are up to "
        "date now; give the same again, or more"
    )
    late.curves.done.add(Cell("300", 13))
    assert too_late(late.curves)


def test_stages_before_the_curves_end_with_the_budget_too():
    runner = Mock()

    def stage(failure: StageFailed) -> None:
        with stopped_at(module.time.monotonic() + 0.05, runner):
            deadline = module.time.monotonic() + 5
            while not runner.stop.called and module.time.monotonic() < deadline:
                pass
            raise failure

    with pytest.raises(InputError) as refused:
        stage(StageFailed("sweep@full", "stopped", stopped=True))
    assert runner.stop.called
    assert str(refused.value) == (
        "--budget is too short: it was over before sweep@full was done, which the curves are computed from; "
        "give more (what was done is kept, and a sweep goes on where it was)"
    )
    with pytest.raises(StageFailed):
        stage(StageFailed("ingest", "broken"))
    runner.reset_mock()
    with stopped_at(module.time.monotonic() + 0.05, runner):
        pass
    module.time.sleep(0.1)
    assert not runner.stop.called


def test_what_to_do_after_a_failure_is_what_dvc_knows():
    assert "repro" not in next_move(StageFailed("learn@300-13", "a loss"))
    assert next_move(StageFailed("report", "x")).endswith("dvc repro -s advise/dvc.yaml:report")
    assert next_move(StageFailed("sweep@full", "x")).endswith("dvc repro -s sweep@full")


def test_a_kill_ends_it_as_an_interrupt_does(monkeypatch):
    from flows import advise, cli

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "_enter_project", lambda: None)
    monkeypatch.setattr(advise, "advise", lambda **_: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            cli._advise(Mock())
    finally:
        signal.signal(signal.SIGTERM, before)
