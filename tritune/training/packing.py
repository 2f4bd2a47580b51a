"""No padding runs through the layers: below the first, a batch's rows are laid end to end.

All that a layer does to each token alone (every matrix product) sees tokens only. Attention gets the rows
back by a function around that of transformers, with the masks that the model itself made for the padded
batch; above the last layer all is as ever. The model is called with one argument more, `row_lengths`, which a
hook takes off; without it, it runs with padding.

Source: Zeng et al. 2022 (unpadded BERT), https://arxiv.org/abs/2208.08124. Where we differ: no model is
written anew; whichever takes its attention from transformers' registry is tried.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from tritune.models.layers import layer_modules
from tritune.models.modes import evaluating
from tritune.models.same_outputs import same_outputs
from tritune.objectives.objective import Objective
from tritune.tokens import TokenTable
from tritune.training.attention import attention, is_ours
from tritune.training.batches import collate
from tritune.training.row_layout import RowLayout

ARGUMENT = "row_lengths"
POSITIONS = ("position_embeddings", "position_ids")
"""What a layer is given for each place, beside its hidden states."""

ATTRIBUTE = "packing"
"""Of every module inside packed layers."""

PLAIN, OURS = "sdpa", "sdpa_by_row"
"""Names in transformers' registry of attentions."""


def packed_layers(
    model: PreTrainedModel, table: TokenTable, *, above: int, objective: Objective, pad_token_id: int
) -> "Packing | None":
    """Return the hooks that lay rows end to end, in place; None where it can't be done or nothing is padded.

    It can where nothing but attention mixes the places of a row, and attention knows of them by its mask
    alone: three rows must give what they give with padding, in full precision.

    Args:
        table: has rows of the kind that the model will be given.
        above: layers from the bottom that are left alone.
    """
    layers = layer_modules(model)[above:]
    config = model.config.get_text_config()
    if not layers or table.rows == 0 or model.config._attn_implementation != PLAIN:
        return None
    if getattr(config, "layerdrop", 0):
        return None  # which of the layers run is left to chance
    order = np.argsort(table.lengths, kind="stable")
    short, middle, long = table.lengths[order[[0, len(order) // 2, -1]]]
    if short == long:
        return None
    rows = order[[-1 if short == middle else len(order) // 2, 0, len(order) // 4]]
    batch = collate(table, rows, pad_token_id=pad_token_id).to(model.device)
    lengths = torch.from_numpy(table.lengths[rows])[:, None]
    packing = None
    try:
        with evaluating(model), torch.inference_mode():
            expected = torch.cat(objective.outputs(model, batch))
            packing = Packing(model, layers)
            found = torch.cat(objective.outputs(model, replace(batch, row_lengths=lengths)))
        if same_outputs(found, expected):
            return packing
    except Exception:
        pass  # a trial: whatever code of others makes of hidden states in this shape, it runs with padding
    if packing is not None:
        packing.remove()
    return None


class Packing:
    """Hooks on a model and its layers."""

    def __init__(self, model: PreTrainedModel, layers: Sequence[nn.Module]) -> None:
        """Put the hooks in place.

        Args:
            layers: neighbours, the lowest first; the last is the model's last.
        """
        self._model, self._layers = model, layers
        self._lengths: torch.Tensor | None = None
        self.layout: RowLayout | None = None
        """Of the batch that is running through the layers, if it has padding."""
        self._masks: dict[int, tuple[torch.Tensor, list[torch.Tensor]]] = {}
        AttentionInterface.register(OURS, _attention)
        AttentionMaskInterface.register(OURS, AttentionMaskInterface()[PLAIN])
        model.config._attn_implementation = OURS
        for layer in layers:
            for module in layer.modules():
                module.__dict__[ATTRIBUTE] = self
        self._hooks = [
            model.register_forward_pre_hook(self._take, with_kwargs=True),
            *(layer.register_forward_pre_hook(self._enter, with_kwargs=True) for layer in layers),
            layers[-1].register_forward_hook(self._leave),
        ]

    def remove(self) -> None:
        """Make the model as it was."""
        for hook in self._hooks:
            hook.remove()
        for layer in self._layers:
            for module in layer.modules():
                module.__dict__.pop(ATTRIBUTE, None)
        self._model.config._attn_implementation = PLAIN

    @contextlib.contextmanager
    def running(self, layout: RowLayout | None) -> Iterator[None]:
        """Let layers run on a batch that has left them: the last one given, of which `layout` is."""
        before, self.layout = self.layout, layout
        try:
            yield
        finally:
            self.layout = before

    def masks(self, mask: torch.Tensor | None) -> Sequence[torch.Tensor | None]:
        """Return the mask of each group of rows of one for all, [rows or 1, ..., longest, longest]."""
        assert self.layout is not None
        if mask is None:
            return [None] * len(self.layout.groups)
        if id(mask) not in self._masks:
            of_groups = []
            for group in self.layout.groups:
                part = mask[..., : group.width, : group.width]
                of_groups.append(part if len(part) == 1 else part.index_select(0, group.rows))
            self._masks[id(mask)] = mask, of_groups
        return self._masks[id(mask)][1]

    def _take(self, _: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self.layout, self._lengths = None, named.pop(ARGUMENT, None)
        self._masks.clear()
        return arguments, named

    def _enter(
        self, layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        if layer is self._layers[0] and self._lengths is not None:
            hidden = arguments[0] if arguments else named["hidden_states"]
            rows, longest = hidden.shape[:2]
            lengths = self._lengths[:, 0].clamp(max=longest)
            if int(lengths.sum()) < rows * longest:
                self.layout = RowLayout(lengths, longest=longest, device=hidden.device)
                if arguments:
                    arguments = (self.layout.pack(hidden), *arguments[1:])
                else:
                    named = {**named, "hidden_states": self.layout.pack(hidden)}
        if self.layout is not None:
            at = {name: self._pack(named[name]) for name in POSITIONS if named.get(name) is not None}
            named = {**named, **at}
        return arguments, named

    def _pack(self, given: Any) -> Any:
        assert self.layout is not None
        return tuple(map(self._pack, given)) if isinstance(given, tuple) else self.layout.pack(given)

    def _leave(self, _: nn.Module, __: Any, output: Any) -> Any:
        layout, self.layout = self.layout, None
        if layout is None:
            return output
        if isinstance(output, torch.Tensor):
            return layout.unpack(output)
        return (layout.unpack(output[0]), *output[1:])


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """Return [1, tokens, heads, width of a head] of three [1, heads, tokens, width of a head], row by row.

    Raises:
        ValueError: they are something else, or more than a mask tells rows and places apart.
    """
    plain = AttentionInterface()[PLAIN]
    packing: Packing | None = module.__dict__.get(ATTRIBUTE)
    layout = None if packing is None else packing.layout

    def attend(given: Sequence[torch.Tensor], mask: torch.Tensor | None) -> torch.Tensor:
        query, key, value = given
        if is_ours(query, key, named):
            causal = named.get("is_causal")
            causal = getattr(module, "is_causal", True) if causal is None else bool(causal)
            return attention(query, key, value, mask, **{**named, "causal": causal})
        found: torch.Tensor = plain(module, query, key, value, mask, **named)[0]
        return found

    if packing is None or layout is None:
        return attend((query, key, value), attention_mask), None
    three = [given.transpose(1, 2) for given in (query, key, value)]
    if any(given.shape[:2] != (1, layout.tokens) for given in three) or "position_bias" in named:
        raise ValueError("attention is not among the tokens of the packed rows alone")
    split = [layout.split(given) for given in three]
    parts = [
        attend([given.transpose(1, 2) for given in group], mask)
        for *group, mask in zip(*split, packing.masks(attention_mask), strict=True)
    ]
    return layout.join(parts), None
