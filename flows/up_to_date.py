"""One stage brought up to date, also where a source changed under the name that DVC knows it by."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from flows.display import Display
from flows.execution import Runner
from tritune.pipeline.dag import Stage
from tritune.pipeline.outcome import Outcome, StageFailed


def bring_up_to_date(
    runner: Runner,
    node: Stage,
    *,
    force: bool,
    source_changes: Callable[[], Mapping[str, str]],
    emit: Callable[[str], None],
) -> Outcome:
    """Let DVC restore or run a stage; what it restores from a source that changed since is made anew.

    Args:
        force: Run its body whatever DVC says.
        source_changes: Asked after DVC brought a stage back: which stages' sources differ from what was
            fetched, and why.

    Raises:
        StageFailed: See `StageRunner.bring_up_to_date`.
    """
    outcome = runner.bring_up_to_date(node, force=force, emit=emit)
    # DVC knows a source by its name alone. Where nothing lay in the project to compare it with, it is only
    # now known whether the cache held an earlier state. Only a stage that needs no other reads a source.
    if outcome.state != "Restored" or node.needs:
        return outcome
    if reason := source_changes().get(node.name):
        emit(f"{reason} since DVC cached it; running")
        outcome = runner.bring_up_to_date(node, force=True, emit=emit)
    return outcome


def run_stage(
    runner: Runner,
    node: Stage,
    display: Display,
    *,
    force: bool = False,
    source_changes: Callable[[], Mapping[str, str]] = dict,
) -> Outcome:
    """Bring one stage up to date, and show it. See `bring_up_to_date`."""
    display.started(node.name)
    began = time.monotonic()

    try:
        outcome = bring_up_to_date(
            runner,
            node,
            force=force,
            source_changes=source_changes,
            emit=partial(display.line, node.name),
        )
    except StageFailed as failure:
        display.finished(node.name, "Stopped" if failure.stopped else "Failed", "")
        raise
    seconds = time.monotonic() - began
    display.finished(node.name, outcome.state, f"{outcome.message} ({seconds:.1f} s)")
    return outcome
