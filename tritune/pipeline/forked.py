"""Processes that a fork server starts for us, used like those of `subprocess`."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from tritune.pipeline.dag import Stage
from tritune.pipeline.fork_server import READY
from tritune.pipeline.process_group import end_group

UNKNOWN_END = -9
"""Exit code of a process whose end nobody told, for the server was killed before: it was ended too."""


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

    def __init__(self, output: int, state: int) -> None:
        """Args:
        output: Where what it prints is read.
        state: Where its process id and its end are told.

        Raises:
            OSError: The server has not started it.
        """
        self.stdout: IO[str] = open(output, encoding="utf-8", errors="replace")  # noqa: SIM115
        self._state = state
        self._told = b""
        self.returncode: int | None = None
        if (number := self._line()) is None:
            self.stdout.close()
            os.close(state)
            raise OSError("the fork server has ended")
        self.pid = number

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._state], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end and return the exit code; negative where a signal ended it."""
        if self.returncode is None:
            code = self._line()
            os.close(self._state)
            self.returncode = UNKNOWN_END if code is None else code
            if code is None:
                end_group(self)
        return self.returncode

    def communicate(self) -> tuple[str, None]:
        """Return all that it prints, when it has ended."""
        output = self.stdout.read()
        self.wait()
        return output, None

    def _line(self) -> int | None:
        """Wait for the next number that is told; None: none will be."""
        while b"\n" not in self._told:
            part = os.read(self._state, 64)
            if not part:
                return None
            self._told += part
        line, _, self._told = self._told.partition(b"\n")
        return int(line)


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
        state, told = os.pipe()
        request = {"words": list(words), "folder": str(self._root), "environment": dict(environment)}
        try:
            socket.send_fds(self._requests, [json.dumps(request).encode()], [printed, told])
        except OSError:
            for descriptor in (output, state):
                os.close(descriptor)
            return None
        finally:
            for descriptor in (printed, told):
                os.close(descriptor)
        try:
            return ForkedProcess(output, state)
        except OSError:
            return None

    def is_ready(self, *, wait_seconds: float = 0.0) -> bool:
        """Tell whether it has loaded the libraries, after waiting for that if need be."""
        if not self._ready and select.select([self._requests], [], [], wait_seconds)[0]:
            self._ready = self._requests.recv(len(READY)) == READY
        return self._ready

    def close(self) -> None:
        """End the server, of whose processes none is left."""
        self._requests.close()
        self._process.terminate()
        self._process.wait()
