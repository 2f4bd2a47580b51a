"""The frozen lowest layers run once for each text, not once for each text, epoch, seed and method.

What they give for a token never changes while they hold still and no chance is in them, so it is stored, and
training starts from there. The model is called as ever, with one argument more, `prefix_output`: a hook takes
it off, the frozen layers pass on what they are given, and the last of them gives the stored instead; what is
below them gives zeros, where the model has one module for that. Without that argument it runs as a whole.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from tritune.models.layers import layer_modules, take_apart
from tritune.models.modes import evaluating
from tritune.models.same_outputs import gives_same
from tritune.objectives.objective import Objective
from tritune.plan.tuning_plan import TuningPlan
from tritune.tokens import TokenTable
from tritune.training.batches import Batch, collate

ARGUMENT = "prefix_output"


def frozen_depth(model: PreTrainedModel, plan: TuningPlan) -> int:
    """Return how many of the lowest layers never learn, with everything below them; 0 where one does."""
    learning = {name for group in plan.groups if group.lr is not None for name in group.tensors}
    depth = 0
    for part in take_apart(model).parts:
        if any(tensor.name in learning for tensor in part.tensors):
            break
        depth += part.role == "layer"
    return depth


def passing_prefix(
    model: PreTrainedModel, depth: int, table: TokenTable, *, objective: Objective, pad_token_id: int
) -> "StoredPrefix | None":
    """Return the model's lowest layers, hooks in place; None where that is none, or it can't be done.

    It can where each layer is called once and hands hidden states alone to the next, and where the model then
    gives what it gives as a whole: both are tried on two rows, in full precision.

    Args:
        depth: how many layers; see `frozen_depth`.
        table: has rows of the kind that the model will be given.
    """
    layers = layer_modules(model)[:depth]
    if not layers or table.rows == 0:
        return None
    device = next(model.parameters()).device
    order = np.argsort(table.lengths, kind="stable")
    some = collate(table, order[[0, len(order) // 2]], pad_token_id=pad_token_id).to(device)
    prefix = None
    try:
        with evaluating(model), torch.inference_mode():
            expected, beside = _watched(model, layers, some, objective)
            if beside is None:
                return None
            prefix = StoredPrefix(
                model, layers, beside=beside, width=model.config.get_text_config().hidden_size
            )
            output = prefix.output(some.inputs())
            if output.shape == (*some.input_ids.shape, prefix.width):
                stored = replace(some, prefix_output=output)

                def above() -> torch.Tensor:
                    return torch.cat(objective.outputs(model, stored))

                if prefix.pass_embeddings():
                    if gives_same(above, expected):
                        return prefix
                    prefix.run_embeddings()
                if gives_same(above, expected):
                    return prefix
    except Exception:
        pass  # a trial: whatever code of others makes of layers that don't run, they all run each time
    if prefix is not None:
        prefix.remove()
    return None


class StoredPrefix:
    """The lowest layers of a model, which need not run where their output is given."""

    def __init__(
        self, model: PreTrainedModel, layers: Sequence[nn.Module], *, beside: Sequence[int | None], width: int
    ) -> None:
        """Put the hooks in place.

        Args:
            layers: frozen, the lowest first.
            beside: of each how much it gives beside its hidden states, all of it None; None: no tuple at all.
        """
        self.depth, self.width = len(layers), width
        below = [part for part in take_apart(model).parts if part.role == "embeddings"]
        names = [tensor.name for part in below for tensor in part.tensors]
        tensors = dict(model.named_parameters())
        self._tensors = [tensors[name] for name in names]
        self._tensors += [tensor for layer in layers for tensor in layer.state_dict().values()]
        self._model, self._layers = model, layers
        self._embeddings = _module_of(model, names, apart_from=layers)
        self._given: torch.Tensor | None = None
        self.casts = True
        """Whether what is stored is given as the model's own kind of number, not as it is stored."""
        self._hook = model.register_forward_pre_hook(self._take, with_kwargs=True)
        for layer, count in zip(layers, beside, strict=True):
            layer.__dict__["forward"] = _Passing(self, layer, count, last=layer is layers[-1])

    @cached_property
    def digest(self) -> bytes:
        """Of all that its output depends on, besides the inputs: they hold still."""
        digest = hashlib.blake2b()
        for tensor in self._tensors:
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
        return digest.digest()

    def remove(self) -> None:
        """Make the model as it was."""
        self._hook.remove()
        self.run_embeddings()
        for layer in self._layers:
            layer.__dict__.pop("forward", None)

    def pass_embeddings(self) -> bool:
        """Let what is below the layers give zeros where their output is given; return whether that can be."""
        if self._embeddings is not None:
            self._embeddings.__dict__["forward"] = _PassingEmbeddings(self, self._embeddings)
        return self._embeddings is not None

    def run_embeddings(self) -> None:
        """Take `pass_embeddings` back."""
        if self._embeddings is not None:
            self._embeddings.__dict__.pop("forward", None)

    def output(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return [rows, longest, width]: what the layers give for these inputs; nothing above them runs."""
        reached: list[torch.Tensor] = []

        def stop(_: nn.Module, __: Any, output: Any) -> None:
            reached.append(_hidden(output))
            raise _Reached

        hook = self._layers[-1].register_forward_hook(stop)
        try:
            self._model(**inputs)
        except _Reached:
            pass
        finally:
            hook.remove()
        return reached[0]

    def _take(self, _: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._given = named.pop(ARGUMENT, None)
        return arguments, named


class _Passing:
    """Stands in for a frozen layer's `forward`."""

    def __init__(self, prefix: StoredPrefix, layer: nn.Module, beside: int | None, *, last: bool) -> None:
        self._prefix, self._layer, self._beside, self._last = prefix, layer, beside, last

    def __call__(self, hidden_states: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        given = self._prefix._given
        if given is None:
            return type(self._layer).forward(self._layer, hidden_states, *arguments, **named)
        hidden = hidden_states
        if self._last:
            hidden = given.to(hidden_states.dtype) if self._prefix.casts else given
        return hidden if self._beside is None else (hidden, *[None] * self._beside)


class _PassingEmbeddings:
    """Stands in for the `forward` of all that is below the layers."""

    def __init__(self, prefix: StoredPrefix, module: nn.Module) -> None:
        self._prefix, self._module = prefix, module
        self._kind = next(module.parameters()).dtype

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        given = self._prefix._given
        if given is None:
            return type(self._module).forward(self._module, *arguments, **named)
        return given.new_zeros((), dtype=self._kind).expand(given.shape)


class _Reached(Exception):
    """The output wanted is there; the rest of the model need not run."""


def _watched(
    model: nn.Module, layers: Sequence[nn.Module], batch: Batch, objective: Objective
) -> tuple[torch.Tensor, list[int | None] | None]:
    """Return the model's outputs, and how much each layer gives beside; None: they don't stand alone."""
    seen: list[tuple[nn.Module, Any]] = []
    hooks = [layer.register_forward_hook(lambda m, _, output: seen.append((m, output))) for layer in layers]
    try:
        outputs = torch.cat(objective.outputs(model, batch))
    finally:
        for hook in hooks:
            hook.remove()
    # What reads logits at chosen places tries that first, so the model may run more than once.
    once = [module for module, _ in seen] == list(layers) * (len(seen) // len(layers))
    alone = all(isinstance(o, torch.Tensor) or all(x is None for x in o[1:]) for _, o in seen)
    beside = [None if isinstance(o, torch.Tensor) else len(o) - 1 for _, o in seen[: len(layers)]]
    return outputs, beside if once and alone else None


def _module_of(
    model: nn.Module, names: Sequence[str], *, apart_from: Sequence[nn.Module]
) -> nn.Module | None:
    """Return the innermost module that has all these tensors; None where others are in it, too."""
    paths = [name.split(".")[:-1] for name in names]
    same = takewhile(lambda pieces: len(set(pieces)) == 1, zip(*paths, strict=False))
    module = model.get_submodule(".".join(pieces[0] for pieces in same))
    inside = set(module.modules())
    return None if not names or any(each in inside for each in apart_from) else module


def _hidden(output: Any) -> torch.Tensor:
    hidden: torch.Tensor = output if isinstance(output, torch.Tensor) else output[0]
    return hidden
