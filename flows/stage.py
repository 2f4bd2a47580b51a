"""The one Prefect task that brings one stage up to date.

Prefect caches nothing: the task returns the state that DVC's verdict implies, so the UI shows what is true.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Completed, Failed

from flows.execution import Execution, current
from tritune.pipeline.dag import Stage
from tritune.pipeline.reproduce import Outcome, StageFailed
from tritune.training.progress import StepProgress, parse_progress

SECONDS_BETWEEN_LOGGED_STEPS = 10.0


def bring_up_to_date(execution: Execution, node: Stage, *, emit: Callable[[str], None]) -> Outcome:
    """Let DVC restore or run a stage; what it restores from a source that changed since is made anew.

    Raises:
        StageFailed: See `StageRunner.bring_up_to_date`.
    """
    assert execution.runner is not None
    outcome = execution.runner.bring_up_to_date(node, force=node.name in execution.forced, emit=emit)
    # DVC knows a source by its name alone. Where nothing lay in the project to compare it with, it is only
    # now known whether the cache held an earlier state. Only a stage that needs no other reads a source.
    if outcome.state != "Restored" or node.needs:
        return outcome
    if reason := execution.source_changes().get(node.name):
        emit(f"{reason} since DVC cached it; running")
        outcome = execution.runner.bring_up_to_date(node, force=True, emit=emit)
    return outcome


def _busy(_task: Any, _run: Any, state: State) -> bool:
    """Retry only when another process had the stage; a failed training would fail again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StageFailed) and error.busy


@task(  # type: ignore[untyped-decorator]
    task_run_name="{node.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=2,
    retry_condition_fn=_busy,
)
def stage(node: Stage) -> State:
    """Bring one stage up to date; the state's name says how: Cached, Restored or Completed."""
    execution, log, began = current(), get_run_logger(), time.monotonic()
    if not node.stale:
        outcome = Outcome(node.name, "Cached", "up to date")
        execution.succeeded(outcome)
        return Completed(name="Cached", message="dvc.lock is current")

    last_step = -math.inf

    def emit(line: str) -> None:
        nonlocal last_step
        progress, now = parse_progress(line), time.monotonic()
        if not isinstance(progress, StepProgress) or progress.step == progress.steps:
            log.info(line)
        elif now - last_step >= SECONDS_BETWEEN_LOGGED_STEPS:
            # Prefect keeps its log in a database: a training of hours would fill it with steps.
            log.info(line)
            last_step = now
        execution.display.line(node.name, line)

    execution.display.started(node.name)
    log.info("stale: %s", "; ".join(node.reasons))
    try:
        outcome = bring_up_to_date(execution, node, emit=emit)
    except StageFailed as failure:
        if failure.busy:
            execution.failures[node.name] = failure
            raise
        execution.failed(failure)
        log.error("%s", failure.error)
        return Failed(message=str(failure), data=failure)
    execution.failures.pop(node.name, None)
    execution.succeeded(outcome, seconds=time.monotonic() - began)
    return Completed(
        name=outcome.state, message=outcome.message, state_details=StateDetails(cache_key=outcome.key)
    )
