"""Processes that a fork server starts for us, used like those of `subprocess`."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from tritune.pipeline.dag import Stage
from tritune.pipeline.fork_server import END, PID, READY
from tritune.pipeline.process_group import end_group

UNKNOWN_END = -255
"""Exit code of a process whose end nobody told, for the server was killed before; it is ended if it runs."""

SECONDS_BETWEEN_LOOKS = 1.0

READ_AT_THE_START = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")},
}
"""What a process is told by its environment when it starts; the threads are set anew in each stage."""

FEWEST_TRAININGS = 3
"""Of so many, loading the libraries once is faster than loading them for each."""


def trainings_of(stages: Iterable[Stage], *, force: bool = False) -> int:
    """Return how many of the stages may have work to do for which they take a place for trainings.

    Args:
        force: all have work to do.
    """
    return sum((stage.stale or force) and stage.meta.get("resource") == "training" for stage in stages)


@contextlib.contextmanager
def fork_server(root: Path, *, trainings: int) -> Iterator["ForkServer | None"]:
    """Load the libraries while the block goes on, if so many stages as may need them are worth it."""
    if sys.platform != "linux" or trainings < FEWEST_TRAININGS:
        yield None
        return
    server = ForkServer(root)
    try:
        yield server
    finally:
        server.close()


class ForkedProcess:
    """One process of a fork server, which leads a session of its own."""

    def __init__(self, output: int, state: "Connection[Any, Any]") -> None:
        """Args:
        output: Where what it prints is read.
        state: Where its process id and its end are told.

        Raises:
            OSError: The server has not started it.
        """
        self.stdout: IO[str] = open(output, encoding="utf-8", errors="replace")  # noqa: SIM115
        self._state = state
        self._guard = threading.Lock()
        self.returncode: int | None = None
        what, number = self._told()
        if what != PID:
            self.stdout.close()
            state.close()
            raise OSError("the fork server did not start the process")
        self.pid = number

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with self._guard:
            if self.returncode is not None or not self._state.poll():
                return self.returncode
            _, self.returncode = self._told()
            self._state.close()
        if self.returncode == UNKNOWN_END:
            end_group(self)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end and return the exit code; negative where a signal ended it."""
        while (code := self.poll()) is None:
            with contextlib.suppress(OSError):  # another thread has heard of the end
                self._state.poll(SECONDS_BETWEEN_LOOKS)
        return code

    def communicate(self) -> tuple[str, None]:
        """Return all that it prints, when it has ended."""
        output = self.stdout.read()
        self.wait()
        return output, None

    def _told(self) -> tuple[bytes, int]:
        """Wait for the next that is told: what, and a number."""
        try:
            what, number = self._state.recv_bytes().split()
        except (EOFError, OSError):
            return END, UNKNOWN_END
        return what, int(number)


class ForkServer:
    """A process with the big libraries loaded, whose copies stages run in; see `fork_server`.

    It loads while other things go on. What is to start before it has done so is started anew.
    """

    def __init__(self, root: Path) -> None:
        """Args:
        root: The project.
        """
        self._root = root.resolve()
        self._requests, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tritune.pipeline.fork_server", str(there.fileno())],
                cwd=self._root,
                env={**os.environ, **READ_AT_THE_START},
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._ready = False

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> ForkedProcess | None:
        """Start `python WORDS` in the project, if the server can: it has loaded, and lives.

        Args:
            words: `-m`, a module, and its arguments.
        """
        if not self.is_ready():
            return None
        output, printed = os.pipe()
        state, told = connection.Pipe(duplex=False)
        request = {"words": list(words), "folder": str(self._root), "environment": dict(environment)}
        with contextlib.suppress(OSError):  # where it is gone, nothing will be told
            socket.send_fds(self._requests, [json.dumps(request).encode()], [printed, told.fileno()])
        told.close()
        os.close(printed)
        try:
            return ForkedProcess(output, state)
        except OSError:
            return None

    def is_ready(self, *, wait_seconds: float = 0.0) -> bool:
        """Tell whether it has loaded the libraries, after waiting for that if need be."""
        if not self._ready and connection.wait([self._requests], wait_seconds):
            self._ready = self._requests.recv(len(READY)) == READY
        return self._ready

    def close(self) -> None:
        """End the server, of whose processes none is left."""
        self._requests.close()
        self._process.terminate()
        self._process.wait()
