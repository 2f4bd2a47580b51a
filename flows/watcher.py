"""What is left to do when a run dies, however it dies: Prefect shows it as crashed, and its own server ends.

A process beside the run waits for its end. A power cut ends both; then the next run here marks the dead one.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from flows.crashed import flows_of, mark_crashed
from flows.own_server import SERVER
from tritune.pipeline.supervisor import signature

VARIABLE = "TRITUNE_RUN"
"""Environment variable by which all that a run starts is known, whoever became its parent since."""

_waiting: list[subprocess.Popen[bytes]] = []


def watch(*roots: Path) -> None:
    """Have this process's flow runs marked and its own server ended when this process is gone.

    Args:
        roots: The projects, or work trees of one, that its flows work in.
    """
    from flows.workspace import runs_folder  # with DVC, for which the process that waits has no use

    os.environ[VARIABLE] = signature()
    folders = [str(runs_folder(root)) for root in roots]
    # The pipe's other end closes when this process dies, however it dies; nothing is ever written.
    _waiting.append(
        subprocess.Popen(
            [sys.executable, "-m", "flows.watcher", os.environ[VARIABLE], *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


def main() -> None:
    sys.stdin.read()
    run, *folders = sys.argv[1:]
    for folder in folders:
        for api, flow_run_id in flows_of(Path(folder), run):
            with contextlib.suppress(OSError, ValueError):
                mark_crashed(api, flow_run_id)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if SERVER in process.cmdline() and process.environ().get(VARIABLE) == run:
                process.terminate()


if __name__ == "__main__":
    main()
