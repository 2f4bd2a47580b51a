"""The processes that share one training, as each of them sees the others; nothing of it where there is one.

Each takes its part of a step's rows, and gradients and loss are summed over all of them, so that the step is
the one that a single process would take, but for rounding. The first process alone tells, stores and writes.
Every method that waits for the others must be called by all, in the same order.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist

from tritune.settings.train import ComputeSettings

T = TypeVar("T")

NUMBERS_AT_ONCE = 2**24
"""Of the gradients in one sum, 64 MiB in float32: larger ones are not faster, and take memory."""

PATIENCE = timedelta(days=30)
"""For a process that is behind, with a memo to fill or a disk to wait for. Who started them all ends the
others when one dies, so that none waits in vain."""


@dataclass(frozen=True)
class Processes:
    """This process among those of one training."""

    number: int = 0
    """Of this one, from 0."""

    count: int = 1
    sharded: bool = False
    """Whether each holds a part of every weight: then all must run the model equally often."""

    @property
    def first(self) -> bool:
        return self.number == 0

    def turns(self, of_each: Sequence[Sequence[np.ndarray]]) -> list[tuple[np.ndarray, bool]]:
        """Return the pieces that this process runs in turn, each with whether it counts.

        Where all have to run the model equally often, one that has fewer pieces runs another's row again,
        and what comes of it does not count.

        Args:
            of_each: each process's pieces; the first process has at least one.
        """
        own = [(piece, True) for piece in of_each[self.number]]
        missing = max(map(len, of_each)) - len(own)
        if self.sharded and missing:
            own += [(of_each[0][-1][:1], False)] * missing
        return own

    def add_up(self, parameters: Sequence[torch.nn.Parameter], loss: torch.Tensor) -> None:
        """Make gradients and loss the sums of all processes', in place.

        A parameter that has a gradient in no process has none afterwards either.

        Args:
            parameters: the same ones in the same order in every process. Sharded ones are summed already.
            loss: a scalar.
        """
        if self.count == 1:
            return
        if self.sharded:
            dist.all_reduce(loss)
            return
        # A process without a row, or with none that reaches some part of the model, has no gradient there.
        known = torch.tensor([float(p.grad is not None) for p in parameters], device=loss.device)
        both = torch.cat([loss[None], known.to(loss.dtype)])
        dist.all_reduce(both)
        loss.copy_(both[0])
        gradients = []
        for parameter, having in zip(parameters, both[1:].tolist(), strict=True):
            if having:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        for group in _groups(gradients):
            flat = torch.cat([gradient.reshape(-1) for gradient in group])
            dist.all_reduce(flat)
            for gradient, total in zip(group, flat.split([g.numel() for g in group]), strict=True):
                gradient.copy_(total.view_as(gradient))

    def gathered(self, value: T) -> list[T]:
        """Return what each process has given here, in their order."""
        if self.count == 1:
            return [value]
        found: list[T] = [value] * self.count
        dist.all_gather_object(found, value)
        return found

    def from_first(self, compute: Callable[[], T]) -> T:
        """Return what the function gives in the first process; the others wait for it and don't call it."""
        if self.count == 1:
            return compute()
        told = [compute() if self.first else None]
        dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        value: T = told[0]  # type: ignore[assignment]
        return value


ALONE = Processes()


@contextlib.contextmanager
def joined(
    meeting: Path, number: int, *, settings: ComputeSettings, device: torch.device
) -> Iterator[Processes]:
    """Meet the other processes of a training on this machine, and part from them at the end of the block.

    Args:
        meeting: a path where no file is yet, the same for all.
        number: of this process, from 0; on GPUs, of the GPU that it has.
        settings: how many they are, 2 or more, and whether each holds a part of the weights.
        device: that the model runs on: of a GPU's numbers NCCL carries the sums, else gloo does.
    """
    # The processes are on one machine: nobody outside need reach them.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(number)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=dist.FileStore(str(meeting), settings.processes),
        rank=number,
        world_size=settings.processes,
        timeout=PATIENCE,
    )
    yield Processes(number, settings.processes, settings.shard)
    # Not after an error: the others may be waiting for this process, and it would wait for them.
    dist.destroy_process_group()


def _groups(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield neighbours in groups that have `NUMBERS_AT_ONCE` numbers at most, or one tensor."""
    group: list[torch.Tensor] = []
    for tensor in tensors:
        if group and sum(each.numel() for each in group) + tensor.numel() > NUMBERS_AT_ONCE:
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group
