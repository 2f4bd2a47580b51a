"""Why a stage did not become up to date: by its own account, by what it printed, or by what DVC says."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from tritune.pipeline import guard, supervisor
from tritune.pipeline.dag import Stage
from tritune.pipeline.deaths import death
from tritune.pipeline.disk import no_space, tells_of_full_disk
from tritune.pipeline.dvc_output import error_in, is_noise
from tritune.pipeline.less_memory import less_memory
from tritune.pipeline.receipt import Receipt

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Exit codes, as Python and as a shell tell it."""


@dataclass(frozen=True)
class LastWords:
    """What went wrong, and whose move it is."""

    error: str
    users_error: bool = False
    """Something the user gave is wrong, or the machine has too little of something."""

    busy: bool = False
    """Another process had the stage."""


def last_words(
    node: Stage, lines: list[str], account: Receipt | None, *, root: Path, memory_ran_out: bool
) -> LastWords:
    """Return why a stage failed.

    Args:
        node: The stage.
        lines: The last that DVC's process printed, the stage's own lines among them.
        account: The stage's receipt; None: its body did not start.
        root: The project.
        memory_ran_out: The system killed some process for want of memory meanwhile.
    """
    if account is not None and account.exit_code:
        code = account.exit_code
        return LastWords(account.error, users_error=code == guard.USERS_ERROR, busy=code == guard.BUSY)
    text = "\n".join(lines)
    if match := re.search(r"exited with (-?\d+)", text):
        code = int(match[1])
        own = [line for line in lines if not is_noise(line)]
        if code == guard.USERS_ERROR and own and own[-1].startswith("error: "):
            # On a full disk there is no room for a receipt.
            return LastWords(own[-1].removeprefix("error: "), users_error=True)
        advice = less_memory(node.name, node.meta, root=root)
        error = "\n".join([death(code, memory_ran_out=memory_ran_out, advice=advice), *own])
        # What the system killed for want of memory is the user's to make smaller.
        users_error = code == guard.USERS_ERROR or (memory_ran_out and code in KILLED)
        return LastWords(error, users_error=users_error, busy=code == supervisor.ORPHANED)
    busy = "is busy" in text or "Unable to acquire lock" in text
    return of_dvc(error_in(lines), root=root, busy=busy)


def of_dvc(error: str, *, root: Path, busy: bool = False) -> LastWords:
    """Return how DVC itself failed; where the disk is full, in the words for that."""
    if tells_of_full_disk(error):
        return LastWords(no_space(root), users_error=True)
    return LastWords(error, busy=busy)
