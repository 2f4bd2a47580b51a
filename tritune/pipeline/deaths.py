"""Why the process of a stage ended without a word, as far as that can be told."""

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tritune.errors import InputError
from tritune.settings.project import read_project
from tritune.training.memory import smaller

if TYPE_CHECKING:  # it imports DVC, which the processes of a training have no need of
    from tritune.pipeline.dag import Stage

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


def less_memory(stage: "Stage", *, root: Path) -> str:
    """Return what would make a stage of the project in `root` need less memory, as the end of a sentence."""
    if stage.meta.get("resource") != "training":
        return "end other programs, and run again"
    if stage.name.startswith("evaluate@"):  # takes a training's place, and trains nothing
        return "end other programs, and run again, or set tokenize.max_length lower"
    try:
        project = read_project(root / "params.yaml")
    except InputError:  # edited meanwhile; how the process ended has to be told all the same
        return "make the training smaller: `tritune estimate` tells what fits"
    return smaller(project.train, project.compute)
