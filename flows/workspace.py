"""One run per project at a time, and what the project remembers about runs."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from tritune.pipeline import supervisor
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import MOMENT, alone, holder
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.work_tree import LOCK as RETRAIN_LOCK

_LOCK = WORK / "run.lock"
_REGISTERED = WORK / "registered"


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Be the only run of the project inside the block.

    Raises:
        InputError: Another one is going on, or DVC does not work here.
    """
    check_dvc_folder(root)
    with alone(
        root / _LOCK,
        wait_seconds=MOMENT,
        otherwise=lambda process: (
            f"a run is going on in {root} (process {process}); wait until it ends, or stop it with "
            f"`kill {process}`"
        ),
    ):
        yield


@contextlib.contextmanager
def only_retraining(root: Path) -> Iterator[None]:
    """Be the only retraining of the project inside the block; `tritune run` may go on beside it.

    Raises:
        InputError: Another one is going on, or DVC does not work here.
    """
    check_dvc_folder(root)
    with alone(
        root / RETRAIN_LOCK,
        wait_seconds=MOMENT,
        otherwise=lambda process: (
            f"a retraining is going on in {root} (process {process}), so this ends without having "
            f"done anything; wait until that ends, or stop it with `kill {process}`"
        ),
    ):
        yield


def running(root: Path) -> int | None:
    """Return the process id of the run that is going on, or None."""
    return holder(root / _LOCK)


def runs_folder(root: Path) -> Path:
    """Return the folder with a folder for each flow run that has not ended."""
    return root / WORK / "runs"


def run_folder(root: Path, flow_run_id: str) -> Path:
    """Return the folder of one flow run: its receipts, and which process it is."""
    return runs_folder(root) / flow_run_id


def remember_flow(folder: Path, *, api: str) -> None:
    """Note in a run's folder which process it is, so that a killed one can be told from a live one.

    Args:
        api: Address of the Prefect server that shows it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {"process": supervisor.signature(), "api": api}
    (folder / "flow.json").write_text(json.dumps(content), encoding="utf-8")


def dead_flows(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield id and folder of each run that a kill or a reboot ended."""
    for path in sorted(runs_folder(root).glob("*/flow.json")):
        try:
            process = json.loads(path.read_text(encoding="utf-8"))["process"]
        except (json.JSONDecodeError, KeyError):
            process = ""
        if not process or supervisor.find(process) is None:
            yield path.parent.name, path.parent


def is_registered(root: Path) -> bool:
    """Tell whether the results as they are now went through registration already."""
    path = root / _REGISTERED
    return path.is_file() and path.read_text() == _state(root)


def mark_registered(root: Path) -> None:
    """Remember that the results as they are now went through registration."""
    (root / _REGISTERED).write_text(_state(root))


def _state(root: Path) -> str:
    return hashlib.sha256((root / "dvc.lock").read_bytes()).hexdigest()
