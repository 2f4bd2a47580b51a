"""The flow `finetune` as a part of another: every stage up to date, and the version that came out."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from flows.display import Display
from flows.execution import begin
from flows.finetune import finetune, side_by_side
from flows.run import check_before_work, shown_metric, workers
from tritune.pipeline.dag import read_stages
from tritune.pipeline.forked import fork_server, trainings_of
from tritune.pipeline.registry import Registration
from tritune.settings.project import read_project


class CancelledRun(Exception):
    """Somebody cancelled the flow run; what was done is kept."""


def bring_all_up_to_date(root: Path, *, forced: Mapping[str, str]) -> Registration:
    """Run the DAG as `tritune run` does, and return the version that came out.

    Args:
        forced: Stages that run whatever DVC says, with the reason.

    Raises:
        InputError: Something would fail later, or the model can't be registered.
        StageFailed: A stage failed.
        CancelledRun: The flow run, or the one that it is a part of, was cancelled.
    """
    project = read_project(root / "params.yaml")
    stages = read_stages(root, forced=forced)
    check_before_work(root, stages)
    with (
        fork_server(root, trainings=trainings_of(stages)) as server,
        Display(Console(file=sys.stdout), metric=shown_metric(project)) as display,
    ):
        execution = begin(project, root=root, stages=stages, forced=forced, display=display, server=server)
        pipeline = finetune.with_options(task_runner=side_by_side(workers(project)))
        asyncio.run(pipeline(return_state=True))
    if execution.cancelled:
        raise CancelledRun
    for failure in execution.failures.values():
        raise failure
    if execution.registration_error is not None:
        raise execution.registration_error
    if execution.registration is None:
        raise RuntimeError("the pipeline ended without a model; the log of the flow run says more")
    return execution.registration  # type: ignore[no-any-return]
