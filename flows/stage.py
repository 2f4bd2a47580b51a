"""The one Prefect task that brings one stage up to date.

Prefect caches nothing: the task returns the state that DVC's verdict implies, so the UI shows what is true.
"""

import math
import time
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Completed, Failed

from flows.execution import current
from flows.up_to_date import bring_up_to_date
from tritune.pipeline.dag import Stage
from tritune.pipeline.outcome import Outcome, StageFailed
from tritune.training.progress import StepProgress, parse_progress

SECONDS_BETWEEN_LOGGED_STEPS = 10.0


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
        assert execution.runner is not None
        outcome = bring_up_to_date(
            execution.runner,
            node,
            force=node.name in execution.forced,
            source_changes=execution.source_changes,
            emit=emit,
        )
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
