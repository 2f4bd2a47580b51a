"""Weights, gradients and optimizer state in parts, one a process, for what does not fit into one.

A layer's weights come together when it runs and part again after it, by torch's FSDP2 (`fully_shard`).
Source: Rajbhandari et al. 2019 (ZeRO, stage 3), https://arxiv.org/abs/1910.02054. Where we differ from
FSDP2's default: gradients are summed, not averaged, because each process divides its loss by the terms of the
whole step.
"""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from tritune.errors import InputError
from tritune.models.layers import stacked_layers


def shard_model(model: PreTrainedModel, *, device: torch.device, count: int) -> None:
    """Leave this process its part of each of the model's tensors, on the device; names stay as they are.

    Args:
        model: whole and the same in all processes, on the CPU or on the device.
        count: of processes.

    Raises:
        InputError: chance decides which of the model's layers run.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    refuse_layers_by_chance(model)
    mesh = init_device_mesh(device.type, (count,))
    for layer in stacked_layers(model):
        fully_shard(layer, mesh=mesh)
    # After each pass the rest parts too, so that whoever looks between two passes sees parts only.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            # Gloo can do nothing else, and a factor of 1 asks for nothing else.
            module.set_force_sum_reduction_for_comms(True)


def refuse_layers_by_chance(model: PreTrainedModel) -> None:
    """Make sure that every process runs the same layers: each waits for the others in every one.

    Raises:
        InputError: the model's config leaves layers out by chance.
    """
    config = model.config.to_dict()
    for key in ("layerdrop", "encoder_layerdrop", "decoder_layerdrop"):
        if config.get(key):
            raise InputError(
                f"compute.shard: the model leaves layers out by chance ({key}: {config[key]} in its "
                f"config.json), and sharded processes have to run the same ones; set {key} to 0 there, or "
                "compute.shard to false"
            )


def own_part(tensor: torch.Tensor) -> torch.Tensor:
    """Return this process's part of a tensor, the live numbers; of one that is not sharded, the whole."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def as_part_of(part: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return what `own_part` gave as a part of a tensor that is sharded as `like` is, if that one is."""
    if not hasattr(like, "to_local"):
        return part
    from torch.distributed.tensor import DTensor

    sharded: Any = like
    return DTensor.from_local(
        part,
        sharded.device_mesh,
        sharded.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )


def whole_tensors(model: nn.Module, *, keep: bool) -> dict[str, torch.Tensor]:
    """Return the parameters by name, put together, on the CPU; all processes have to call it together.

    Args:
        keep: whether this process wants them; else it helps the others, and gets none.
    """
    found = {}
    for name, parameter in model.named_parameters():
        whole = parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
        if keep:
            found[name] = whole.detach().cpu()
    return found


def copy_into(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Give a whole model what `whole_tensors` put together of its like."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
