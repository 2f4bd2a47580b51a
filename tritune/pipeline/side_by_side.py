"""Stages brought up to date in a folder, side by side where they can be, without Prefect."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Protocol

from tritune.pipeline.dag import Stage
from tritune.pipeline.forked import fork_server, trainings_of
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import usable_cores
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.reproduce import StageRunner


class Screen(Protocol):
    """Is told how the stages get on, from several threads."""

    def started(self, stage: str) -> None: ...
    def line(self, stage: str, text: str) -> None: ...
    def finished(self, stage: str, state: str, message: str) -> None: ...


def run_stages(tree: Path, stages: Sequence[Stage], *, screen: Screen, force: bool) -> None:
    """Run the stages, each after those of them that it needs. No process is left behind, however it ends.

    Args:
        stages: of the project in `tree`, in order.
        force: whether to run each body whatever DVC knows.

    Raises:
        StageFailed: A stage did not run to its end.
    """
    with (
        fork_server(tree, trainings=trainings_of(stages, force=force)) as server,
        # A stage that waits for its place to train needs a process, but no core.
        ThreadPoolExecutor(max(4, usable_cores() + 2)) as pool,
    ):
        runner = StageRunner(tree, receipts=tree / WORK / "receipts", server=server)
        try:
            _run_in_order(stages, lambda stage: pool.submit(_run_one, runner, stage, screen, force))
        finally:
            runner.stop()


def _run_in_order(stages: Sequence[Stage], submit: Callable[[Stage], "Future[None]"]) -> None:
    waiting, ours = list(stages), {stage.name for stage in stages}
    running: dict[Future[None], str] = {}
    done: set[str] = set()
    while waiting or running:
        ready = [stage for stage in waiting if set(stage.needs) & ours <= done]
        waiting = [stage for stage in waiting if stage not in ready]
        running |= {submit(stage): stage.name for stage in ready}
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            done.add(running.pop(future))


def _run_one(runner: StageRunner, stage: Stage, screen: Screen, force: bool) -> None:
    screen.started(stage.name)
    try:
        outcome = runner.bring_up_to_date(stage, force=force, emit=partial(screen.line, stage.name))
    except StageFailed as failure:
        screen.finished(stage.name, "Stopped" if failure.stopped else "Failed", failure.summary)
        raise
    screen.finished(stage.name, outcome.state, "ran again" if force else outcome.message)
