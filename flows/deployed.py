"""`tritune run` and `tritune advise` as a work pool runs them: see prefect.yaml."""

import contextlib
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from flows.advice_shown import read_advice
from flows.advise import advise as draw_curves
from flows.cli import project_root
from flows.sources import check_sources, stale_sources
from flows.subflow import CancelledRun, bring_all_up_to_date
from flows.workspace import only_run
from tritune.errors import InputError
from tritune.pipeline.outcome import StageFailed
from tritune.settings.project import read_project


@flow(name="run")  # type: ignore[untyped-decorator]
def run() -> State:
    """Bring every stage of the project in the working directory up to date, and register the model."""
    root = project_root(Path.cwd())
    try:
        with only_run(root):
            project = read_project(root / "params.yaml")
            forced = stale_sources(project, root=root)
            check_sources(project, root=root)
            return Completed(message=bring_all_up_to_date(root, forced=forced).message)
    except (InputError, StageFailed) as error:
        return Failed(message=str(error))
    except CancelledRun:
        return Cancelled(message="cancelled; stages that were done are kept")


@flow(name="advise")  # type: ignore[untyped-decorator]
def advise(budget: str = "60m", sizes: str = "300,1000,all", seeds: int = 5) -> State:
    """Draw the learning curves of the project in the working directory, as `tritune advise` does."""
    with contextlib.chdir(project_root(Path.cwd())):
        try:
            code = draw_curves(budget=budget, sizes=sizes, seeds=seeds)
        except InputError as error:
            return Failed(message=str(error))
        if code:
            return Failed(message="no advice came out; the log of the worker says why")
        return Completed(message="\n".join(read_advice(Path.cwd())["verdict"]))
