"""When a stage is made anew although DVC could bring it back."""

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from flows.up_to_date import bring_up_to_date
from tritune.pipeline.dag import Stage
from tritune.pipeline.outcome import Outcome

FETCH = Stage("fetch", needs=(), reasons=("never ran with these settings",))


class Runner:
    """Answers as told unless it is forced, and notes what it was asked."""

    def __init__(self, state: Literal["Cached", "Restored", "Completed"]) -> None:
        self.state = state
        self.forced: list[bool] = []

    def bring_up_to_date(self, stage: Stage, *, force: bool, emit: Any) -> Outcome:
        assert emit is not None
        self.forced.append(force)
        return Outcome(stage.name, "Completed" if force else self.state, "")


def brought(runner: Runner, *, changes: Mapping[str, str]) -> tuple[str, list[str]]:
    said: list[str] = []
    outcome = bring_up_to_date(
        runner,
        FETCH,
        force=False,
        source_changes=lambda: changes,
        emit=said.append,
    )
    return outcome.state, said


def test_a_source_that_changed_since_dvc_cached_it_is_fetched_anew() -> None:
    runner = Runner("Restored")
    state, said = brought(runner, changes={"fetch": "rows.csv changed"})
    assert (state, runner.forced) == ("Completed", [False, True])
    assert said == ["rows.csv changed since DVC cached it; running"]


@pytest.mark.parametrize(
    ("state", "changes"),
    [("Restored", {}), ("Restored", {"other": "x"}), ("Completed", {"fetch": "rows.csv changed"})],
)
def test_otherwise_what_dvc_did_is_final(
    state: Literal["Restored", "Completed"], changes: dict[str, str]
) -> None:
    runner = Runner(state)
    assert brought(runner, changes=changes) == (state, [])
    assert runner.forced == [False]
