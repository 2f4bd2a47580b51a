"""Dropout on a processor in a fraction of torch's time, which draws a number for each place, one by one.

Here fifteen random bits decide over a place, by integer arithmetic on many places at a time, and what is
dropped is cleared by a mask of bits. A rate is kept to within 1/65536; what stays is scaled by the very rate
that is applied, so that the mean is right. The bits come from SFC64, seeded by torch's generator: whatever
seeds or restores that one gives the same places again.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from tritune.training.stand_ins import StandIns

STEPS = 2**15
"""Rates that can be told apart."""

INTEGERS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
"""Of the width of each kind of number that can be dropped."""


class FastDropout(StandIns):
    """Stands in for `forward` of a model's dropout modules, until `remove`."""

    def __init__(self, model: nn.Module) -> None:
        """Put it in place. On a GPU, where torch draws in parallel, it does nothing."""
        super().__init__(model, [nn.Dropout], _Forward)


class _Forward:
    def __init__(self, module: nn.Dropout) -> None:
        self._module = module

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return dropped(values, self._module.p) if self._module.training else values


@torch.compiler.disable  # type: ignore[untyped-decorator] # torch can't compile numpy's generator
def dropped(values: torch.Tensor, rate: float) -> torch.Tensor:
    """Return the values with a share of them 0 and the others scaled so that their mean stays.

    Args:
        values: of any shape, on the CPU.
        rate: share that is dropped, in [0, 1].
    """
    steps = round((1 - rate) * STEPS)
    if steps in (0, STEPS) or values.dtype not in INTEGERS:
        return nn.functional.dropout(values, rate)
    result: torch.Tensor = _Dropped.apply(values, steps)
    return result


def kept_places(count: int, steps: int) -> torch.Tensor:
    """Return [count] int16: all bits set in a share `steps` / `STEPS` of the places, none in the others."""
    seed = int(torch.randint(2**62, ()))
    drawn = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)[:count]
    # Fifteen bits, so that the difference has a sign; its sign is the mask.
    bits = torch.from_numpy(drawn).bitwise_right_shift_(1).sub_(steps - STEPS // 2)
    return bits.bitwise_right_shift_(15)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, steps: int) -> torch.Tensor:
        kept = kept_places(values.numel(), steps)
        ctx.save_for_backward(kept)
        ctx.scale = STEPS / steps
        return only_kept(values, kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (kept,) = ctx.saved_tensors
        return only_kept(gradients[0], kept).mul_(ctx.scale), None


def only_kept(values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return the values where `kept` has its bits set, and 0 elsewhere.

    Args:
        kept: [places] int16, as `kept_places` gives it.
    """
    integer = INTEGERS[values.dtype]
    bits = values.contiguous().view(integer) & kept.to(integer).view(values.shape)
    return bits.view(values.dtype)
