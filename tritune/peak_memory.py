"""The most memory that this program had in use."""

import contextlib
import sys
from pathlib import Path


def peak_memory_bytes() -> int:
    """Return it, as the system counts what lies in memory."""
    with contextlib.suppress(OSError, IndexError):
        # getrusage counts the parent's memory from before the exec as well.
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
