"""Layers that keep no activations: what was inside one is computed again, from its input, on the way back.

Memory for the insides of one layer instead of all, for one more pass through the layers: about a third more
time. The same operations on the same bytes, dropout included, so the result is the same bit for bit.

Source: Chen et al. 2016, https://arxiv.org/abs/1604.06174, by `torch.utils.checkpoint`. Where we differ from
transformers' own switch: what is frozen below, a stored prefix and rows laid end to end go on working.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from tritune.models.layers import layer_modules
from tritune.training.packing import Packing


def recompute_layers(
    model: PreTrainedModel, *, above: int, packing: Packing | None
) -> "RecomputedLayers | None":
    """Make the layers of a model keep no activations; None where they are not one stack that runs once.

    Args:
        model: keeps no keys and values, which its layers would give it twice.
        above: layers from the bottom that are left alone, because they do not run.
        packing: its hooks, where rows are laid end to end. A top layer that runs for what is read alone
            keeps its few activations.
    """
    layers = layer_modules(model)[above:]
    if packing is not None and packing.reads is not None:
        layers = layers[:-1]
    return RecomputedLayers(layers, packing) if layers else None


class RecomputedLayers:
    """What stands around the layers' `forward`."""

    def __init__(self, layers: Sequence[nn.Module], packing: Packing | None) -> None:
        self._layers = layers
        for layer in layers:
            layer.__dict__["forward"] = _Recomputed(layer.forward, packing)

    def remove(self) -> None:
        """Make the model as it was."""
        for layer in self._layers:
            layer.__dict__.pop("forward", None)


class _Recomputed:
    """Stands in for a layer's `forward`."""

    def __init__(self, forward: Any, packing: Packing | None) -> None:
        self._forward, self._packing = forward, packing

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._forward(*arguments, **named)
        packing, layout = self._packing, None if self._packing is None else self._packing.layout

        def contexts() -> tuple[Any, Any]:
            again = contextlib.nullcontext() if packing is None else packing.running(layout)
            return contextlib.nullcontext(), again

        return checkpoint(self._forward, *arguments, use_reentrant=False, context_fn=contexts, **named)
