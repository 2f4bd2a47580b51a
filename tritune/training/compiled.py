"""Layers compiled by torch: what each does to a token alone becomes a few kernels instead of many.

Layers of one kind share what is compiled, so that it takes seconds and not minutes, whatever their number.
Only steps that learn run it: an evaluation would have to be compiled for itself.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from tritune.models.layers import stacked_layers
from tritune.objectives.objective import Objective
from tritune.plan.tuning_plan import TuningPlan
from tritune.tokens import TokenTable
from tritune.training.prefix_memo import Precision
from tritune.training.trial_pass import trial_pass

PAYS_FROM = 3e16
"""Operations of a training on a GPU: about a minute and a half of a fast one, of which compiling saves some
seconds more than it takes. `python -m benchmarks.gpu_speed` shows both."""


def is_worth_it(
    setting: Literal["auto"] | bool, plan: TuningPlan, *, tokens: int, device: torch.device
) -> bool:
    """Return whether a training's layers are to be compiled.

    Args:
        setting: as `compute.compile`.
        tokens: of all its steps.
        device: that it runs on. On a processor compiling is never paid back by a training of usual length.
    """
    if setting == "auto":
        return device.type == "cuda" and plan.trained_compute_per_token * tokens >= PAYS_FROM
    return setting


def compiled_layers(
    model: PreTrainedModel,
    table: TokenTable,
    *,
    objective: Objective,
    precision: Precision,
    pad_token_id: int,
) -> "CompiledLayers | None":
    """Compile the layers of a model, and run them once there and back; None, said, where that fails.

    Args:
        model: as it will be trained, on its device.
        table: has rows of the kind that the model will be given.
    """
    # Stored ones have a stand-in of their own, and don't run.
    compiled = CompiledLayers([layer for layer in stacked_layers(model) if "forward" not in vars(layer)])
    try:
        trial_pass(model, table, objective=objective, precision=precision, pad_token_id=pad_token_id)
    except Exception as error:  # of compilers and of code of others, which may raise anything
        compiled.remove()
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        print(f"the layers are not compiled, which changes nothing but the speed: {reason[:200]}", flush=True)
        return None
    return compiled


class CompiledLayers:
    """What stands in for the layers' `forward`, until `remove`."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Put it in place.

        Args:
            layers: none of them has another `forward` than that of its class.
        """
        self._layers = layers
        kinds = {type(layer) for layer in layers}
        # Sizes are left open: each step has another number of tokens.
        compiled = {kind: torch.compile(kind.forward, dynamic=True) for kind in kinds}
        for layer in layers:
            layer.__dict__["forward"] = _Forward(layer, compiled[type(layer)])

    def remove(self) -> None:
        """Make the layers as they were."""
        for layer in self._layers:
            layer.__dict__.pop("forward", None)


class _Forward:
    def __init__(self, layer: nn.Module, compiled: Any) -> None:
        self._layer, self._compiled = layer, compiled

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        forward = self._compiled if torch.is_grad_enabled() else type(self._layer).forward
        return forward(self._layer, *arguments, **named)
