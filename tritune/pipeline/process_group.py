"""A process ended with all that it started."""

import contextlib
import os
import signal
import time
from typing import Protocol

import psutil

SECONDS_TO_END = 10.0
"""Between asking a process to end and killing it."""


class Leader(Protocol):
    """A process that leads a group, like one of `subprocess` in a session of its own."""

    pid: int

    def poll(self) -> int | None: ...


def end_group(process: Leader) -> None:
    """End the group of processes that one leads: ask, wait, kill. Returns when none is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < deadline:
            process.poll()
            if not _group_lives(process.pid):
                return
            time.sleep(0.05)


def _group_lives(group: int) -> bool:
    """Tell whether a process of the group is left; one that waits to be reaped is not."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
