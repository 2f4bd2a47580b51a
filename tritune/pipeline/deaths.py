"""Why the process of a stage ended without a word, as far as that can be told."""

import contextlib
import signal
from pathlib import Path

COUNTER = Path("/proc/vmstat")


def memory_kills(counter: Path = COUNTER) -> int | None:
    """Return how many processes the system has killed for want of memory since it started; None: not told."""
    with contextlib.suppress(OSError, ValueError):
        for line in counter.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None


def death(code: int, *, memory_ran_out: bool, advice: str) -> str:
    """Return how a process ended, in words.

    Args:
        code: As Python gives it (-9) or as a shell does (137).
        memory_ran_out: The system killed some process for want of memory meanwhile.
        advice: What would need less memory, as the end of a sentence.
    """
    number = -code if code < 0 else code - 128
    if number == signal.SIGKILL:
        if memory_ran_out:
            return f"memory ran out, and the system killed its process: {advice}"
        return f"its process was killed; if nobody did that, memory ran out: {advice}"
    if 0 < number < 65:
        with contextlib.suppress(ValueError):
            return f"its process ended by {signal.Signals(number).name}"
    return f"its process ended with exit code {code}"
