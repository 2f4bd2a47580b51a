"""A function called in several processes that share a training, forked from the test's own."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed.fsdp  # once, for all that are forked

from tritune.settings.train import ComputeSettings
from tritune.training.processes import Processes, joined


def together(function: Callable[[Processes], Any], folder: Path, *, count: int = 2) -> list[Any]:
    """Return what the function gave in each process: forked ones need not import torch again."""
    context = multiprocessing.get_context("fork")
    settings = ComputeSettings(processes=count)
    meeting = folder / "meeting"
    meeting.unlink(missing_ok=True)

    def one(pipe: Any, number: int) -> None:
        torch.set_num_threads(1)
        with joined(meeting, number, settings=settings, device=torch.device("cpu")) as processes:
            pipe.send(function(processes))

    started = []
    for number in range(count):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=one, args=(theirs, number))
        process.start()
        theirs.close()
        started.append((process, ours))
    try:
        return [ours.recv() for _, ours in started]
    finally:
        for process, _ in started:
            process.kill()
            process.join()
