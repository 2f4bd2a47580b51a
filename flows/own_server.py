"""A run's own Prefect server, where nobody runs one: begun before Prefect is loaded, ended with the process.

Both take seconds, and a project's first start makes the database, which takes longer than all else that a run
does before its first stage. Should the server be killed, it is started again, as long as the run lives;
`watcher` ends it after kill -9 of the run. Without it, a run would wait minutes for answers that never come.
The socket is the run's: who asks while there is no server waits for the next one; Prefect would give up.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

from flows.home import HOST, SECONDS_TO_START, loopback_url, names_a_server, wait_until_it_answers

SERVER = "prefect.server.api.server:create_app"
RUNNING_OR_ASKED_TO_END = {None, 0, -signal.SIGINT, -signal.SIGTERM}
"""Exit codes. Ctrl-C in a terminal reaches the server as well as the run, which then ends too."""

ENVIRONMENT = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""As Prefect gives it to a server that it starts for one process."""

SECONDS_TO_END = 5.0
SECONDS_BETWEEN_LOOKS = 1.0


def begin_server() -> Callable[[], None]:
    """Start a server unless one is named; return what waits until it answers.

    Call it after `prepare_environment`, and before anything imports prefect. What is returned raises
    RuntimeError where the server does not start.
    """
    if "PREFECT_API_URL" in os.environ or names_a_server():
        return lambda: None
    server = _OwnServer()
    atexit.register(server.stop)  # before Prefect's own, so that it ends after them
    os.environ["PREFECT_API_URL"] = server.url
    return server.wait


class _OwnServer:
    def __init__(self) -> None:
        self._socket = socket.create_server((HOST, 0))
        self.url = loopback_url(self._socket.getsockname()[1])
        self._ending = threading.Event()
        self._process = self._start()

    def wait(self) -> None:
        if not wait_until_it_answers(self._process, self.url):
            if (code := self._process.poll()) is not None:
                raise RuntimeError(f"its server ended while it started, exit code {code}")
            raise RuntimeError(f"its server did not start within {SECONDS_TO_START:.0f} seconds")
        threading.Thread(target=self._keep, daemon=True).start()

    def stop(self) -> None:
        self._ending.set()
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        at = self._socket.fileno()
        return subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", SERVER, "--fd", str(at), "--log-level", "error"],
            env={**os.environ, **ENVIRONMENT},
            pass_fds=[at],
        )

    def _keep(self) -> None:
        while not self._ending.wait(SECONDS_BETWEEN_LOOKS):
            if self._process.poll() not in RUNNING_OR_ASKED_TO_END:
                self._process = self._start()
