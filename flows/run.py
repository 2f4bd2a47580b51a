"""`tritune run`: ask DVC first, and load Prefect only when there is work or a report is wanted."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tritune.errors import InputError
from tritune.metrics.catalogue import main_metric
from tritune.pipeline.dag import Stage, read_stages
from tritune.settings.project import Project, read_project, read_yaml
from tritune.versions import FILE as VERSIONS_FILE
from tritune.versions import check_versions

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State
    from rich.console import Console

    from flows.execution import Execution

GO_ON = "what is done is kept, and a training goes on where it was: tritune run"


def run(*, report: bool, pool: str = "", push: bool = False) -> int:
    """Bring every stage up to date and register the result. Return the exit code.

    Args:
        report: Run the flow even when nothing is stale, so that Prefect shows every stage as Cached.
        pool: Prefect work pool whose workers train; empty: this machine does.
        push: Leave every stage's result in DVC's remote at the end.

    Raises:
        InputError: Something the user gave is wrong; found before any work.
    """
    from flows.sources import check_sources, stale_sources
    from flows.worker import check_shared_services
    from flows.workspace import only_run

    root = Path.cwd()
    project = read_project(root / "params.yaml")
    if pool:
        check_shared_services(root, asked_by="--pool")
    if push:
        check_remote(root)
    with only_run(root):
        forced = stale_sources(project, root=root)
        stages = read_stages(root, forced=forced)
        if report or any(stage.stale for stage in stages):
            if any(stage.name == "fetch" and stage.stale for stage in stages):
                check_sources(project, root=root)
            check_before_work(root, stages)
            code = _run_flow(root, stages, forced, project, pool=pool)
        else:
            print(f"up to date: {len(stages)} stages have nothing to do", flush=True)
            code = _register_if_new(root, stages)
        return _push(stages) if push and code == 0 else code


def check_remote(root: Path) -> None:
    """Find out whether results could be pushed, before anything runs.

    Raises:
        InputError: No DVC remote is set, or it cannot be reached.
    """
    from tritune.pipeline.integrity import remote_of

    name, reachable = remote_of(root)
    if not name:
        raise InputError("--push: no DVC remote is set; set one with `dvc remote add --default NAME URL`")
    if not reachable:
        raise InputError(
            f"--push: DVC's remote {name} cannot be reached; see where it is with `dvc remote list`, or run "
            "without --push and push later"
        )


def _push(stages: Sequence[Stage]) -> int:
    from tritune.pipeline.remote_results import share_result, told

    try:
        for stage in stages:
            share_result(stage.name)
    except Exception as error:  # whatever the remote's own library throws
        print(
            f"error: {stage.name} could not be pushed: {told(error)}; again: tritune run --push",
            file=sys.stderr,
        )
        return 1
    print(f"pushed: the results of {len(stages)} stages are in DVC's remote", flush=True)
    return 0


def check_before_work(root: Path, stages: Sequence[Stage]) -> None:
    """Find out what would fail hours later.

    Raises:
        InputError: Installed versions differ from versions.yaml, or there is no room or no permission for
            results.
    """
    from tritune.pipeline.disk import check_room
    from tritune.pipeline.outputs import check_writable

    if (root / VERSIONS_FILE).is_file():
        check_versions(read_yaml(root / VERSIONS_FILE))
    # On a full disk Prefect's server would not start, and its error does not say why.
    check_room(root)
    check_writable((path for stage in stages if stage.stale for path in stage.outputs), root=root)


def _register_if_new(root: Path, stages: Sequence[Stage]) -> int:
    """Register results that plain `dvc repro` made; most of the time there is nothing to do."""
    from flows.workspace import is_registered, mark_registered

    if any(stage.name == "select" for stage in stages) and not is_registered(root):
        from tritune.pipeline.registry import register

        registration = register(root)
        mark_registered(root)
        print(registration.message)
    return 0


def _run_flow(root: Path, stages: list[Stage], forced: dict[str, str], project: Project, *, pool: str) -> int:
    from rich.console import Console

    from flows.display import Display
    from flows.execution import begin
    from flows.home import prepare_environment
    from flows.own_server import begin_server
    from flows.watcher import watch
    from tritune.pipeline.forked import fork_server, trainings_of

    console = Console(file=sys.stdout)
    stale = sum(stage.stale for stage in stages)
    console.print(f"{stale} of {len(stages)} stages may have work to do; starting", highlight=False)
    prepare_environment(root)
    watch(root)
    until_ready = begin_server()
    with (
        # Before Prefect is loaded, which takes as long and one core.
        fork_server(root, trainings=0 if pool else trainings_of(stages)) as server,
        Display(console, metric=shown_metric(project)) as display,
    ):
        execution = begin(
            project, root=root, stages=stages, forced=forced, display=display, pool=pool, server=server
        )
        try:
            # A stage that waits for a worker of a pool costs a thread and no more.
            state = _call_flow(len(stages) if pool else workers(project), until_ready)
        except KeyboardInterrupt:
            display.say(f"stopped; {GO_ON}")
            return 1
        except Exception as error:
            # Without its server Prefect cannot report the end, but the stages may all have ended well.
            failed = "report the run" if execution.runner else "start, so nothing ran"
            display.say(f"error: Prefect could not {failed}: {error}")
            if execution.runner is None:
                return 1
        if execution.runner is None:
            display.say(f"error: Prefect could not start, so nothing ran: {state.message}")
            return 1
    return _conclude(console, execution, task=project.task)


def shown_metric(project: Project) -> str:
    """Return the score that a line on the screen shows after an epoch."""
    monitor = project.train.monitor
    objective = "multi_label" if project.data.multi_label else ""
    return main_metric(project.task, objective=objective) if monitor == "auto" else monitor


def _call_flow(workers: int, until_ready: Callable[[], None]) -> "State":
    from flows.finetune import finetune, side_by_side

    until_ready()
    return asyncio.run(finetune.with_options(task_runner=side_by_side(workers))(return_state=True))


def workers(project: Project) -> int:
    """Return how many stages may be under way: all trainings that fit, and some for what comes after them."""
    from tritune.pipeline.guard import WORK
    from tritune.pipeline.locks import training_slots

    compute = project.compute
    slots = training_slots(
        threads=compute.threads,
        device=compute.device,
        folder=WORK / "slots",
        processes=compute.processes,
    )
    return max(4, len(slots) + 2)


def _conclude(console: "Console", execution: "Execution", *, task: str) -> int:
    """Print the end of the run and return the exit code."""
    from flows.summary import say, show_next_commands, show_results

    names = [stage.name for stage in execution.stages]
    for name in names:
        if name not in execution.outcomes and name not in execution.failures:
            execution.display.finished(name, "NotReady", "did not run")
    if execution.cancelled:
        say(console, f"cancelled; {GO_ON}")
        return 1
    for failure in sorted(execution.failures.values(), key=lambda failure: names.index(failure.stage)):
        say(console, f"\nerror: {failure}")
    if execution.failures:
        return 2 if all(failure.users_error for failure in execution.failures.values()) else 1
    if len(execution.outcomes) < len(execution.stages):
        return 1
    show_results(console, execution.root)
    for outcome in execution.outcomes.values():
        for warning in outcome.warnings:
            say(console, f"  warning: {outcome.stage}: {warning}")
    if execution.registration_error is not None:
        say(console, f"\nerror: {execution.registration_error}")
        return 2 if isinstance(execution.registration_error, InputError) else 1
    if execution.registration is not None:
        say(console, f"  registered: {execution.registration.message}")
    show_next_commands(console, task=task)
    return 0
