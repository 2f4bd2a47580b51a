"""Low-rank adapters beside a model's linear layers: put in before a training, merged into the weights after.

Source: Hu et al. 2021 (LoRA), https://arxiv.org/abs/2106.09685, by the library peft. A layer with weights W
gives W x + (alpha / rank) B A x, of which A and B learn; B begins as 0, so that the model begins as the base.
With its adapters the model keeps its class, and its tensors their names but for `.base_layer`; the adapters'
own have `.lora_A` or `.lora_B` in theirs.
"""

import warnings
from collections.abc import Collection
from dataclasses import replace

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tritune.models.layers import Anatomy, Part, Tensor
from tritune.plan.tuning_plan import Adapters

NAME = "default"
"""Of the adapters, as peft calls them."""


def adaptable_modules(model: PreTrainedModel, anatomy: Anatomy, *, new: Collection[str]) -> tuple[str, ...]:
    """Return the names of the linear layers below the head whose matrices are pretrained, lowest part first.

    Args:
        new: Names of the tensors that are not.
    """
    names = [
        tensor.name.removesuffix(".weight")
        for part in anatomy.parts
        for tensor in part.tensors
        if part.role != "head" and tensor.name.endswith(".weight") and tensor.name not in new
    ]
    return tuple(name for name in names if isinstance(model.get_submodule(name), nn.Linear | Conv1D))


def add_adapters(model: PreTrainedModel, adapters: Adapters) -> list[str]:
    """Put adapters into the model, drawn by torch's generator, and return their tensors' names, sorted.

    Raises:
        ValueError: The model has other linear layers than `adapters` names.
    """
    from peft import LoraConfig, inject_adapter_in_model

    before = {name for name, _ in model.named_parameters()}
    config = LoraConfig(
        r=adapters.rank,
        lora_alpha=adapters.alpha,  # type: ignore[arg-type]
        lora_dropout=adapters.dropout,
        target_modules=list(adapters.modules),
    )
    with warnings.catch_warnings():
        # It tells which way round it takes the matrices of GPT-2, and takes them right.
        warnings.simplefilter("ignore")
        inject_adapter_in_model(config, model, adapter_name=NAME)
    found = {path for path, module in model.named_modules() if hasattr(module, "lora_A")}
    if found != set(adapters.modules):
        raise ValueError(f"adapters in other layers than the plan's: {sorted(found ^ set(adapters.modules))}")
    return sorted(
        name for name, _ in model.named_parameters() if name.replace(".base_layer.", ".") not in before
    )


def merge_adapters(model: PreTrainedModel) -> None:
    """Add the adapters to the weights that they stand beside: the model is plain again, or still."""
    if not hasattr(model, "peft_config"):
        return
    for path, module in list(model.named_modules()):
        if hasattr(module, "lora_A"):
            module.merge()  # type: ignore[operator]
            model.set_submodule(path, module.get_base_layer())  # type: ignore[operator]
    del model.peft_config


def with_adapters(plain: Anatomy, model: PreTrainedModel) -> Anatomy:
    """Return the anatomy of a model that has adapters, each in the part of the layer that it stands beside.

    Args:
        plain: The anatomy of the model before.
        model: With its adapters.
    """
    old = {tensor.name: (part.name, tensor) for part in plain.parts for tensor in part.tensors}
    found: dict[str, list[Tensor]] = {part.name: [] for part in plain.parts}
    for name, parameter in model.named_parameters():
        before = name.replace(".base_layer.", ".")
        if before in old:
            part, tensor = old[before]
            found[part].append(replace(tensor, name=name))
        else:
            part, beside = old[f"{name.partition('.lora_')[0]}.weight"]
            runs = beside.matmul_parameters // beside.parameters
            size = parameter.numel()
            found[part].append(Tensor(name, size, decays=True, matmul_parameters=size * runs))
    return replace(
        plain,
        parts=tuple(Part(part.name, part.role, tuple(found[part.name]), part.runs) for part in plain.parts),
        order=tuple(name for name, _ in model.named_parameters()),
    )
