"""A stage's process ends when whoever started it is gone, so that no orphan trains on."""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import psutil

VARIABLE = "TRITUNE_SUPERVISOR"
"""Environment variable by which a flow names itself: see `signature`."""

ORPHANED = 77
"""Exit code of a stage whose supervisor died."""

SECONDS_BETWEEN_LOOKS = 0.5


def signature() -> str:
    """Return this process's id and start time: the id alone may be another process's one day."""
    return signature_of(psutil.Process())


def signature_of(process: psutil.Process) -> str:
    """Return what `signature` returns inside that process."""
    return f"{process.pid}:{process.create_time()}"


def find(text: str) -> psutil.Process | None:
    """Return the live process that a signature names, or None."""
    pid, _, started = text.partition(":")
    try:
        process = psutil.Process(int(pid))
        return process if abs(process.create_time() - float(started)) < 2 and _alive(process) else None
    except psutil.NoSuchProcess:
        return None


def end_with_supervisor() -> None:
    """Watch the flow and the DVC process that started this one; when either dies, end at once."""
    supervisors = []
    if named := os.environ.get(VARIABLE):
        flow = find(named)
        if flow is None:
            os._exit(ORPHANED)
        supervisors.append(flow)
    if "DVC_STAGE" in os.environ:
        supervisors.append(_nearest_dvc() or psutil.Process().parent() or psutil.Process(1))
    if supervisors:
        threading.Thread(target=_watch, args=(supervisors,), daemon=True).start()


def _nearest_dvc() -> psutil.Process | None:
    """Return the closest ancestor that runs DVC; between it and us there may be a shell."""
    for ancestor in psutil.Process().parents():
        with contextlib.suppress(psutil.Error):
            if any(Path(word).name == "dvc" for word in ancestor.cmdline()[:3]):
                return ancestor
    return None


def _watch(supervisors: list[psutil.Process]) -> None:
    while all(_alive(process) for process in supervisors):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    with contextlib.suppress(OSError):
        print("the process that started this stage is gone; stopping", file=sys.stderr, flush=True)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(ORPHANED)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
