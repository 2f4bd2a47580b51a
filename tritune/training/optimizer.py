"""AdamW over the groups of a tuning plan: what learns, how fast, and with what weight decay."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import increment_version
from torch.nn.utils import get_total_norm
from torch.optim import AdamW, Optimizer

from tritune.plan.tuning_plan import TuningPlan
from tritune.training.sharding import as_part_of, own_part

CLIPPING_EPSILON = 1e-6
"""As in torch's `clip_grad_norm_`."""


def plan_optimizer(model: nn.Module, plan: TuningPlan, *, weight_decay: float) -> AdamW:
    """Return the optimizer of the parameters that learn in any phase of the plan.

    Frozen parameters are in no group and have no state. One that begins to learn later has none until then
    and does not decay. Each group keeps its peak rate as `peak_lr`, which `set_rates` multiplies, and as
    `start` the share of the training at which it begins; betas and epsilon are torch's defaults (0.9, 0.999,
    1e-8).

    Args:
        weight_decay: of the groups that decay; the others (norms and biases) have 0.
    """
    parameters = dict(model.named_parameters())
    groups = [
        {
            "params": [parameters[name] for name in group.tensors],
            "lr": group.lr,
            "peak_lr": group.lr,
            "weight_decay": weight_decay if group.weight_decay else 0.0,
            "name": group.name,
            "start": plan.begins(group.name),
        }
        for group in plan.groups
        if group.lr is not None and group.tensors
    ]
    optimizer = AdamW(groups, fused=True)
    optimizer.register_step_post_hook(_count_writes)
    return optimizer


def _count_writes(optimizer: Optimizer, _: Any, __: Any) -> None:
    """Let torch know that weights have changed, which its fused step does not tell."""
    increment_version([p for group in optimizer.param_groups for p in group["params"] if p.grad is not None])


def set_rates(optimizer: AdamW, share_of: Callable[[float], float]) -> float:
    """Set every group's rate to a share of its peak; return the highest rate that results.

    Args:
        share_of: From the share of the training at which a group begins to the present share of its peak.
    """
    shares = {start: share_of(start) for start in {group["start"] for group in optimizer.param_groups}}
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * shares[group["start"]]
    return max(float(group["lr"]) for group in optimizer.param_groups)


def clipped_step(optimizer: AdamW, learning: Sequence[nn.Parameter], *, max_norm: float) -> None:
    """Do a step with gradients whose norm over all of them is no more than `max_norm`.

    As torch's `clip_grad_norm_` and a step after it, to rounding; but the fused step itself divides the
    gradients, which it has in hand anyway, by what torch's `GradScaler` gives it a place for.

    Args:
        learning: what may have gradients; of a sharded model the parts, in all processes together.
    """
    norm = get_total_norm([p.grad for p in learning if p.grad is not None])
    optimizer.grad_scale = ((norm + CLIPPING_EPSILON) / max_norm).clamp(min=1.0)
    try:
        optimizer.step()
    finally:
        del optimizer.grad_scale


def optimizer_tensors(model: nn.Module, optimizer: AdamW) -> dict[str, torch.Tensor]:
    """Return AdamW's state as `NAME.exp_avg`, `NAME.exp_avg_sq` and `NAME.step`, NAME the parameter's.

    A parameter that has not learned yet has none. The tensors are the optimizer's own, not copies; of a
    sharded model they are this process's parts.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": own_part(value)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_optimizer(model: nn.Module, optimizer: AdamW, tensors: dict[str, torch.Tensor]) -> None:
    """Give the optimizer the state that `optimizer_tensors` returned; copies are made."""
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for name, tensor in tensors.items():
        parameter_name, key = name.rsplit(".", 1)
        parameter = parameters[parameter_name]
        own = tensor.detach().clone().to(parameter.device)
        optimizer.state[parameter][key] = own if key == "step" else as_part_of(own, parameter)
