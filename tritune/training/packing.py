"""No padding runs through the layers: below the first, a batch's rows are laid end to end.

All that a layer does to each token alone (every matrix product) sees tokens only. Attention gets the rows
back by a function around that of transformers, with the masks that the model itself made for the padded
batch; above the last layer all is as ever, or is what is read there. The model is called with one argument
more, `row_lengths`, which a hook takes off; without it, it runs with padding.

Source: Zeng et al. 2022 (unpadded BERT), https://arxiv.org/abs/2208.08124. Where we differ: no model is
written anew; whichever takes its attention from transformers' registry is tried.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from tritune.models.layers import layer_modules
from tritune.models.modes import evaluating
from tritune.models.same_outputs import gives_same, same_outputs
from tritune.objectives.objective import Objective
from tritune.tokens import TokenTable
from tritune.training.attention import precision_of
from tritune.training.batches import Batch, collate
from tritune.training.group_masks import GroupMasks
from tritune.training.layer_arguments import hidden_of, with_hidden, without_mask
from tritune.training.own_rows import looks_of
from tritune.training.packed_attention import ATTRIBUTE, LOOKS_BACK, PLAIN, packed_attention
from tritune.training.reading import PLACES, Place, Reading, place_in
from tritune.training.row_layout import RowLayout, few_counts

ARGUMENT = "row_lengths"
POSITIONS = ("position_embeddings", "position_ids")
"""What a layer is given for each place, beside its hidden states."""

TOLD_APART = 1e-3
"""How far apart, of the largest output or of 1, those of different rows are if a head reads anything."""

OURS = "sdpa_by_row"
"""Name in transformers' registry of attentions."""


def packed_layers(
    model: PreTrainedModel,
    table: TokenTable,
    *,
    above: int,
    objective: Objective,
    pad_token_id: int,
    only_read: bool = False,
) -> "Packing | None":
    """Return the hooks that lay rows end to end, in place; None where it can't be done or nothing is padded.

    It can where nothing but attention mixes the places of a row, and attention knows of them by its mask
    alone: three rows must give what they give with padding, in full precision.

    Args:
        table: has rows of the kind that the model will be given.
        above: layers from the bottom that are left alone.
        only_read: whether the top layer may run for those tokens alone that are read above it, if on a
            processor.
    """
    layers = layer_modules(model)[above:]
    config = model.config.get_text_config()
    if not layers or table.rows == 0 or model.config._attn_implementation != PLAIN:
        return None
    if getattr(config, "layerdrop", 0):
        return None  # which of the layers run is left to chance
    order = np.argsort(table.lengths, kind="stable")
    short, middle, long = table.lengths[order[[0, len(order) // 2, -1]]]
    on_gpu = model.device.type == "cuda"
    if short == long and not on_gpu:
        return None
    first = -1 if on_gpu or short == middle else len(order) // 2
    rows = order[[first, 0, len(order) // 4]]
    batch = collate(table, rows, pad_token_id=pad_token_id).to(model.device)
    lengths = torch.from_numpy(table.lengths[rows])[:, None]
    packing = None

    def outputs(batch: Batch) -> torch.Tensor:
        return torch.cat(objective.outputs(model, batch))

    packed = partial(outputs, replace(batch, row_lengths=lengths))
    try:
        with evaluating(model), torch.inference_mode():
            expected = outputs(batch)
            packing = Packing(model, layers, pad_token_id=pad_token_id)
            if same_outputs(packed(), expected):
                if on_gpu:
                    packing.drop_masks(packed, expected, longest=int(lengths.max()))
                else:
                    packing.take_few_sizes(packed, expected)
                    if only_read and len(expected) == len(rows):
                        packing.run_for_read(packed, expected)
                return packing
    except Exception:
        pass  # a trial: whatever code of others makes of hidden states in this shape, it runs with padding
    if packing is not None:
        packing.remove()
    return None


class Packing:
    """Hooks on a model and its layers."""

    def __init__(self, model: PreTrainedModel, layers: Sequence[nn.Module], *, pad_token_id: int) -> None:
        """Put the hooks in place.

        Args:
            layers: neighbours, the lowest first; the last is the model's last.
        """
        self._model, self._layers, self._pad_token_id = model, layers, pad_token_id
        self._kind = next(layers[0].parameters()).dtype
        self._lengths: torch.Tensor | None = None
        self.layout: RowLayout | None = None
        """Of the batch that is running through the layers, if its rows lie end to end."""
        self.group_masks = GroupMasks()
        """Of that batch."""
        self._packed: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.always = model.device.type == "cuda"
        """Whether rows are laid end to end even where none is padded: attention needs no mask then."""
        self.reads: Place | None = None
        """Which token of each row is read above the layers; None: more than one, or it is not known."""
        self._reads_now: Place | None = None
        """Of the batch that is running."""
        self.reading: Reading | None = None
        """What the top layer is being asked, where that is of the read tokens alone."""
        self._looks: dict[nn.Module, set[bool]] | None = None
        """How far each module's tokens can be looking, while that is found out."""
        self.longest_without_mask = 0
        """Tokens of the longest row for which no mask is needed."""
        self.without_mask = False
        """Whether the batch that is running has none."""
        self._few_sizes: Callable[[torch.Tensor], bool] = _never
        """Whether a batch, of which hidden states are given, is to have one of few sizes."""
        self.fixed: RowLayout | None = None
        """Of all batches while it is set, whoever sets it keeps it right."""
        AttentionInterface.register(OURS, packed_attention)
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
                module.__dict__.pop(LOOKS_BACK, None)
        self._model.config._attn_implementation = PLAIN

    def drop_masks(
        self, outputs: Callable[[], torch.Tensor], expected: torch.Tensor, *, longest: int
    ) -> None:
        """Let rows no longer than these run without the model's mask, if that gives the same.

        Args:
            outputs: runs the model on a few rows.
            expected: what that gives with a mask.
            longest: tokens of the longest of these rows.
        """
        self._looks = {}
        outputs()
        looks, self._looks = self._looks, None
        if not looks or not all(looks.values()):
            return
        for module, each in looks.items():
            module.__dict__[LOOKS_BACK] = True in each
        self.longest_without_mask = longest
        if not gives_same(outputs, expected):
            self.longest_without_mask = 0

    def take_few_sizes(self, outputs: Callable[[], torch.Tensor], expected: torch.Tensor) -> None:
        """Let batches come in few sizes where each new one is dear, if that gives the same.

        Args:
            outputs: runs the model on a few rows.
            expected: what that gives with padding.
        """
        self._few_sizes = _always
        self._few_sizes = _new_sizes_are_dear if gives_same(outputs, expected) else _never

    @contextlib.contextmanager
    def running(self, layout: RowLayout | None) -> Iterator[None]:
        """Let layers run on a batch that has left them: the last one given, of which `layout` is."""
        before, self.layout = self.layout, layout
        try:
            yield
        finally:
            self.layout = before

    def run_for_read(self, outputs: Callable[[], torch.Tensor], expected: torch.Tensor) -> None:
        """Let the top layer run for the one token of each row that is read above it, if there is one.

        Args:
            outputs: runs the model on a few rows, of different tokens.
            expected: [rows, k] what that gives as it is.
        """
        # Where a head tells nothing apart yet, as one of zeros, nothing can be seen of what it will read.
        apart = float((expected - expected[:1]).abs().max())
        told_apart = apart > TOLD_APART * float(expected.abs().max().clamp(min=1))
        for place in PLACES if told_apart else ():
            self.reads = place
            if gives_same(outputs, expected):
                return
        self.reads = None

    @property
    def chosen(self) -> tuple[int, bool]:
        """What its trials chose: it decides how sums are rounded."""
        return self.longest_without_mask, self._few_sizes is not _never

    @property
    def device(self) -> torch.device:
        """Of the model."""
        device: torch.device = self._model.device
        return device

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All of the model's."""
        return list(self._model.parameters())

    def needs_no_mask(self, lengths: torch.Tensor) -> bool:
        """Return whether rows of these lengths run without the model's mask."""
        return int(lengths.max()) <= self.longest_without_mask

    def see(self, module: nn.Module, masks: Sequence[torch.Tensor | None], *, causal: bool) -> None:
        """Note how far the tokens of a module look, while that is found out."""
        if self._looks is not None and self.layout is not None:
            for group, mask in zip(self.layout.groups, masks, strict=True):
                found = looks_of(mask, group.sizes, causal=causal)
                self._looks[module] = self._looks.get(module, found) & found

    def _take(self, _: nn.Module, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self.layout, self._lengths = None, named.pop(ARGUMENT, None)
        self.reading = None
        self.group_masks.clear()
        self._packed.clear()
        lengths = self._lengths
        self._reads_now = place_in(
            self.reads, named.get("input_ids"), lengths, pad_token_id=self._pad_token_id
        )
        self.without_mask = lengths is not None and self.needs_no_mask(lengths)
        if self.without_mask:
            named = {**named, "attention_mask": None}
        return arguments, named

    def _enter(
        self, layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        if layer is self._layers[0]:
            hidden = hidden_of(arguments, named)
            if self._lengths is not None:
                self.layout = self.fixed or self._layout_of(hidden, self._lengths)
            if self.layout is not None:
                hidden = self.layout.pack(hidden)
            # Not sooner: there is less to cast without padding.
            arguments, named = with_hidden(arguments, named, hidden.to(self._kind))
        if self.without_mask:
            # Some models make one even where none is asked for, such as while they are recorded.
            arguments, named = without_mask(layer, arguments, named)
        at: dict[str, Any] = {}
        if self.layout is not None:
            at = {name: self._pack(named[name]) for name in POSITIONS if named.get(name) is not None}
            named = {**named, **at}
        if layer is self._layers[-1] and self.layout is not None and self._reads_now is not None:
            self.reading = Reading(self._reads_now, self.layout)
            self.reading.keep_keys(layer, arguments, named)
            hidden = self.reading.of(hidden_of(arguments, named))
            named = {**named, **{name: self.reading.of(named[name]) for name in at}}
            arguments, named = with_hidden(arguments, named, hidden)
        return arguments, named

    def _layout_of(self, hidden: torch.Tensor, lengths: torch.Tensor) -> RowLayout | None:
        """Return where the rows of a padded batch are to lie; None where nothing is padding."""
        rows, longest = hidden.shape[:2]
        lengths = lengths[:, 0].clamp(max=longest)
        if not (self.always or self._reads_now) and int(lengths.sum()) == rows * longest:
            return None
        few = self._few_sizes(hidden[:0].to(self._kind))  # as layers get them
        tokens = few_counts(int(lengths.sum())) if few else None
        return RowLayout(lengths, longest=longest, device=hidden.device, tokens=tokens)

    def _pack(self, given: Any) -> Any:
        assert self.layout is not None
        if isinstance(given, tuple):
            return tuple(map(self._pack, given))
        if id(given) not in self._packed:
            self._packed[id(given)] = given, self.layout.pack(given)
        return self._packed[id(given)][1]

    def _leave(self, _: nn.Module, __: Any, output: Any) -> Any:
        layout, self.layout = self.layout, None
        reading, self.reading = self.reading, None
        if layout is None:
            return output
        put_back = layout.unpack if reading is None else reading.put_back
        if isinstance(output, torch.Tensor):
            return put_back(output)
        return (put_back(output[0]), *output[1:])


def _never(_: torch.Tensor) -> bool:
    return False


def _always(_: torch.Tensor) -> bool:
    return True


def _new_sizes_are_dear(hidden: torch.Tensor) -> bool:
    """Return whether a product of sizes that were not seen before takes far longer than the next of them.

    In bf16 a processor's library (oneDNN) writes a kernel for each.
    """
    on_processor: bool = hidden.device.type == "cpu"
    return on_processor and precision_of(hidden) == torch.bfloat16
