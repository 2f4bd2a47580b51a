"""`tritune advise`: the methods' learning curves within a budget of time, and what they say.

It ends within its budget, whatever it has: small sizes first, whole seeds, all methods of a seed together.
What is computed is kept by DVC, so that asking again goes on from there.
"""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.advice_asked import asked_for, seconds_of
from flows.advice_clock import Curves, note, too_late
from flows.advice_shown import show_advice
from flows.display import Display
from flows.estimate import duration, measured_apart
from flows.run import check_before_work, shown_metric
from flows.sources import check_sources, stale_sources
from flows.summary import say
from flows.up_to_date import run_stage
from flows.workspace import only_run, run_folder
from tritune.advise.effort import Effort, effort_for, row_passes
from tritune.advise.timetable import seconds_needed
from tritune.errors import InputError
from tritune.pipeline.cells import PIPELINE, Cell, read_cells, take_away, write_pipeline
from tritune.pipeline.dag import Stage, order_lock, read_stages
from tritune.pipeline.forked import fork_server
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import training_slots
from tritune.pipeline.outcome import Outcome, StageFailed, rerun_command
from tritune.pipeline.reproduce import StageRunner
from tritune.settings.project import Project, read_project
from tritune.tokens import TokensInfo, read_tokens_info

COUNTED, NEEDED = ("fetch", "ingest", "tokenize"), ("prepare", "sweep")
"""Stages of dvc.yaml that cells are computed from; after the first of them, the examples are counted."""

START_SECONDS = 8.0
"""Of a cell's process, about: DVC and torch are loaded, and the inputs hashed twice."""

RESERVED_SECONDS, RESERVED_SHARE = 60.0, 0.03
"""Of the budget, kept for the report."""

SECONDS_BETWEEN_LOOKS = 1.0


def advise(*, budget: str, sizes: str, seeds: int) -> int:
    """Compute as many cells as the budget allows, report, and return the exit code.

    Args:
        budget: For all of it: `45m`, `1h30m`.
        sizes: Training examples with commas between; `all` is the whole training split.
        seeds: Of each size, at most.

    Raises:
        InputError: What was asked for makes no sense for these data, or the budget is too short for a cell.
    """
    began, root, console = time.monotonic(), Path.cwd(), Console(file=sys.stdout)
    seconds = seconds_of(budget)
    project = read_project(root / "params.yaml")
    asked = asked_for(sizes, seeds, project=project)
    cells = len(asked.sizes) * seeds
    with only_run(root), fork_server(root, trainings=cells) as server:
        receipts = run_folder(root, "advise")
        runner = StageRunner(root, receipts=receipts, server=server)
        try:
            with Display(console, metric=shown_metric(project)) as display:
                deadline = began + seconds - RESERVED_SECONDS - RESERVED_SHARE * seconds
                with stopped_at(deadline, runner):
                    prepare(root, project, runner, display, kinds=COUNTED)
                    info = read_tokens_info(root / "data/tokens")
                    # Before a sweep, which may take hours.
                    asked = asked.checked(info.examples["train"])
                    prepare(root, project, runner, display, kinds=NEEDED)
                compute = project.compute
                slots = training_slots(threads=compute.threads, device=compute.device, folder=WORK / "slots")
                curves = Curves(
                    root=root,
                    project=project,
                    asked=asked,
                    runner=runner,
                    display=display,
                    deadline=deadline,
                    places=len(slots),
                )
                stopped = compute_cells(curves, info, console)
            runner.stop()
            return conclude(curves, console, stopped=stopped, began=began, receipts=receipts)
        except StageFailed as failure:
            say(console, f"\nerror: {failure.stage} failed: {failure.summary}")
            say(console, next_move(failure))
            return 2 if failure.users_error else 1
        finally:
            runner.stop()
            shutil.rmtree(receipts, ignore_errors=True)


def next_move(failure: StageFailed) -> str:
    """Return what to do after a stage failed, a sentence."""
    if failure.stage.startswith("learn@"):
        # Without a result it is no longer in the pipeline, so that DVC does not know it by its name.
        return "seeds that are done are kept: when that is mended, `tritune advise` goes on from them"
    address = f"{PIPELINE}:{failure.stage}" if failure.stage == "report" else failure.stage
    return f"run only this stage again: {rerun_command(address)}"


@contextlib.contextmanager
def stopped_at(deadline: float, runner: StageRunner) -> Iterator[None]:
    """End what runs in the block when its time is up.

    Args:
        deadline: On the monotonic clock.

    Raises:
        InputError: That was so.
    """
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), runner.stop)
    timer.start()
    try:
        yield
    except StageFailed as failure:
        if not failure.stopped:
            raise
        raise InputError(
            f"--budget is too short: it was over before {failure.stage} was done, which the curves are "
            "computed from; give more (what was done is kept, and a sweep goes on where it was)"
        ) from None
    finally:
        timer.cancel()


def prepare(
    root: Path, project: Project, runner: StageRunner, display: Display, *, kinds: Collection[str]
) -> None:
    """Bring the stages of some kinds up to date, one after the other."""
    forced = stale_sources(project, root=root)
    stages = [stage for stage in read_stages(root, forced=forced) if _is_needed(stage, project, kinds)]
    if any(stage.name == "fetch" and stage.stale for stage in stages):
        check_sources(project, root=root)
    check_before_work(root, stages)
    for node in stages:
        if not node.stale:
            continue
        run_stage(
            runner,
            node,
            display,
            force=node.name in forced,
            source_changes=lambda: stale_sources(project, root=root),
        )


def _is_needed(stage: Stage, project: Project, kinds: Collection[str]) -> bool:
    method = stage.name.partition("@")[2]
    return stage.kind in kinds and (not method or method in project.methods)


def compute_cells(curves: Curves, info: TokensInfo, console: Console) -> bool:
    """Compute cells until all are done or the time is up; return whether somebody stopped it before."""
    write_pipeline(curves.root, {*read_cells(curves.root), *curves.asked.all_cells()})
    stages = {stage.name: stage for stage in read_stages(curves.root, pipeline=PIPELINE)}
    curves.done = cells_with_result(curves.root, stages)
    if set(curves.asked.all_cells()) <= curves.done:
        return False
    try:
        return _compute_missing(curves, stages, info, console)
    except BaseException:
        take_away(curves.root, kept=curves.done)
        raise


def cells_with_result(root: Path, stages: Mapping[str, Stage]) -> set[Cell]:
    """Return the cells that DVC finds up to date."""
    return {cell for cell in read_cells(root) if not stages[cell.stage].stale}


def _compute_missing(curves: Curves, stages: Mapping[str, Stage], info: TokensInfo, console: Console) -> bool:
    check_before_work(curves.root, [stages[cell.stage] for cell in curves.asked.all_cells()])
    if too_late(curves):
        return False
    curves.efforts, curves.guessed = guess(curves, info)
    show_plan(curves, console, info)
    if too_late(curves):
        return False
    try:
        _run_side_by_side(curves, stages)
    except KeyboardInterrupt:
        curves.display.say("stopped; reporting on what there is (Ctrl-C again: don't)")
        curves.runner.stop()
        return True
    return False


def guess(curves: Curves, info: TokensInfo) -> tuple[dict[str, Effort], dict[str, float]]:
    """Return how long each size is trained, and the seconds of one of its cells by a few real steps.

    Raises:
        InputError: Memory runs out in these steps.
    """
    curves.display.say("timing a few steps of each method")
    project, train = curves.project, curves.project.train
    costs = {name: measured_apart(name, project) for name in project.methods}
    whole, evaluated = info.rows["train"], info.rows["validation"]
    tested = evaluated + info.rows["test"]
    of_whole = row_passes(whole, Effort(train.epochs, 1), evaluated=evaluated, tested=0)
    efforts, seconds = {}, {}
    for size in curves.asked.sizes:
        share = curves.asked.examples(size, info.examples["train"]) / info.examples["train"]
        rows = max(1, round(whole * share))
        efforts[size] = effort_for(rows, whole=whole, epochs=train.epochs, batch_size=train.batch_size)
        work = row_passes(rows, efforts[size], evaluated=evaluated, tested=tested)
        seconds[size] = START_SECONDS + sum(cost.seconds * work / of_whole for cost in costs.values())
    # What frozen layers give is made once, and all wait for it.
    curves.prefix_seconds = sum(cost.prefix_seconds for cost in costs.values())
    return efforts, seconds


def _run_side_by_side(curves: Curves, stages: Mapping[str, Stage]) -> None:
    with ThreadPoolExecutor(curves.places) as pool:
        futures: dict[Future[Outcome], Cell] = {}
        try:
            while True:
                while len(futures) < curves.places and (cell := curves.next_cell()) is not None:
                    curves.under_way[cell] = time.monotonic()
                    futures[pool.submit(run_stage, curves.runner, stages[cell.stage], curves.display)] = cell
                if not futures:
                    return
                ended, _ = wait(futures, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                for future in ended:
                    note(curves, futures.pop(future), future.result())
                if time.monotonic() > curves.deadline + RESERVED_SECONDS / 2:
                    curves.display.say("the time is up; what is under way goes on another time")
                    return
        finally:
            # Also where a cell failed: the others stop before the pool waits for them.
            if futures:
                curves.runner.stop()


def conclude(curves: Curves, console: Console, *, stopped: bool, began: float, receipts: Path) -> int:
    """Report on the cells that are done, and return the exit code."""
    stages = {stage.name: stage for stage in read_stages(curves.root, pipeline=PIPELINE)}
    done = cells_with_result(curves.root, stages)
    take_away(curves.root, kept=done)
    if not done:
        say(console, "nothing is computed yet; what was begun goes on another time: tritune advise")
        return 1
    runner = StageRunner(curves.root, receipts=receipts)
    try:
        with Display(console, metric=shown_metric(curves.project)) as display:
            run_stage(runner, stages["report"], display)
    finally:
        runner.stop()
    order_lock(curves.root, list(stages.values()))
    show_advice(console, curves.root, asked=curves.asked, seconds=time.monotonic() - began)
    return 1 if stopped else 0


def show_plan(curves: Curves, console: Console, info: TokensInfo) -> None:
    """Print what is about to be done, and how long that takes."""
    counts, have, costs = curves.counts(), curves.have(), curves.costs()
    table = Table("examples", box=None, pad_edge=False)
    for heading in ("passes", "a seed takes", "seeds", "of them done"):
        table.add_column(heading, justify="right")
    for size, count, done, cost in zip(curves.asked.sizes, counts, have, costs, strict=True):
        examples = curves.asked.examples(size, info.examples["train"])
        wanted = f"{count} of {curves.asked.seeds}"
        table.add_row(f"{examples:,}", str(curves.efforts[size].passes), duration(cost), wanted, str(done))
    console.print(table)
    if counts == have:
        none = "no further seed would end in time; reporting on what there is"
        first = "not even one seed is likely to end in time; one begins, and goes on another time"
        say(console, none if any(have) else first)
        return
    needed = seconds_needed(costs, done=have, counts=counts, clock=curves.clock())
    side = f", {curves.places} side by side" if curves.places > 1 else ""
    say(
        console,
        f"about {duration(needed)} for the seeds{side}; {len(curves.project.methods)} methods each. The "
        "plan follows the clock as it goes on",
    )
