"""Frozen means frozen: no gradient, and no chance inside either.

A parameter that does not learn still passes through its module's dropout. Here every module that holds frozen
parameters only is put in evaluation mode and kept there, so that what it computes for a text never changes.
"""

from collections.abc import Collection

from torch import nn


def learn_only(model: nn.Module, names: Collection[str]) -> None:
    """Let the named parameters learn and freeze all others, undoing what an earlier call froze.

    Afterwards `model.train()` leaves every module alone whose parameters are all frozen. A module without
    parameters of its own, such as a dropout, follows the module that holds it.

    Args:
        names: as in `model.named_parameters()`.

    Raises:
        ValueError: a name is not the model's.
    """
    unknown = sorted(set(names) - {name for name, _ in model.named_parameters()})
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r} ({len(unknown)} unknown names in all)")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
        if name not in names:
            parameter.grad = None
    was_training = model.training
    for module in model.modules():
        module.__dict__.pop("train", None)
    model.train(was_training)
    for module in frozen_modules(model):
        module.eval()
        module.__dict__["train"] = _StaysInEvaluation(module)


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """Return the largest modules all of whose parameters are frozen, in the model's order.

    A module without parameters is not among them, unless it lies inside one.
    """
    parameters = list(model.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        return [model]
    return [found for child in model.children() for found in frozen_modules(child)]


class _StaysInEvaluation:
    """Stands in for a frozen module's `train` method."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:  # noqa: ARG002 - the signature of Module.train
        return nn.Module.train(self.module, False)
