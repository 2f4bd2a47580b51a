"""A run's own Prefect server lives as long as the run: restarted when it is killed, ended when the run is.

Prefect starts it when no server is running, and stops it when the run's process exits by itself. After
kill -9 of the run it would stay for ever; without it, a run would wait minutes for answers that never come.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import psutil

from tritune.pipeline.supervisor import signature

SERVER = "prefect.server.api.server:create_app"
VARIABLE = "TRITUNE_RUN"
"""Environment variable by which all that a run starts is known, whoever became its parent since."""

RUNNING_OR_ASKED_TO_END = {None, 0, -signal.SIGINT, -signal.SIGTERM}
"""Exit codes. Ctrl-C in a terminal reaches the server as well as the run, which then ends too."""

SECONDS_BETWEEN_LOOKS = 1.0
_waiting: list[subprocess.Popen[bytes]] = []


def end_server_with_run() -> None:
    """Have every server that this process starts from now on stopped when this process is gone."""
    if "PREFECT_API_URL" in os.environ:
        return  # another server is used, and Prefect starts none
    os.environ[VARIABLE] = signature()
    # The pipe's other end closes when this process dies, however it dies; nothing is ever written.
    _waiting.append(
        subprocess.Popen(
            [sys.executable, "-m", "flows.own_server", os.environ[VARIABLE]],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


async def keep_server() -> None:
    """Start this process's own server again, at the same address, whenever it was killed. Does not return."""
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # Prefect's only one; where another server is used, it has no process
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        if server.server_process is not None and server.server_process.poll() not in RUNNING_OR_ASKED_TO_END:
            server.running = False
            with contextlib.suppress(Exception):  # a run goes on without a server too
                await asyncio.to_thread(server.start)


def main() -> None:
    sys.stdin.read()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if SERVER in process.cmdline() and process.environ().get(VARIABLE) == sys.argv[1]:
                process.terminate()


if __name__ == "__main__":
    main()
