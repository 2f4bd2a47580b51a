"""Attention of rows that lie end to end, as transformers calls it from inside a layer.

Rows that need no mask go in one call, where there is a kernel for that. Others share bins, where attention is
ours, or are gathered by length; each bin or group gets its corners of the mask that the model made.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AttentionInterface

from tritune.training.arrangement import Padded
from tritune.training.attention import attention, bias_of, is_ours, precision_of
from tritune.training.group_masks import bin_masks
from tritune.training.own_rows import attention_of_rows, in_one_call, row_masks
from tritune.training.reading import KeysFound, Reading
from tritune.training.row_layout import RowLayout

if TYPE_CHECKING:
    from tritune.training.packing import Packing

ATTRIBUTE = "packing"
"""Of every module inside packed layers."""

LOOKS_BACK = "looks_back"
"""Of a module whose attention needs no mask: whether its tokens look at what came before them only."""

PLAIN = "sdpa"
"""Name in transformers' registry of attentions."""


def packed_attention(
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
    packing: Packing | None = getattr(module, ATTRIBUTE, None)
    layout = None if packing is None else packing.layout
    if packing is None or layout is None:
        return _plain(module, (query, key, value), attention_mask, named), None
    if packing.without_mask and in_one_call(query, named):
        # Not this batch's longest: compiled code is for one number.
        longest, causal = packing.longest_without_mask, getattr(module, LOOKS_BACK)
        return attention_of_rows(query, key, value, layout, longest, **{**named, "causal": causal}), None
    return _in_groups(module, packing, layout, (query, key, value), attention_mask, named), None


@torch.compiler.disable  # type: ignore[untyped-decorator] # how many groups there are is the batch's
def _in_groups(
    module: nn.Module,
    packing: "Packing",
    layout: RowLayout,
    given: Sequence[torch.Tensor],
    attention_mask: torch.Tensor | None,
    named: dict[str, Any],
) -> torch.Tensor:
    reading = packing.reading
    if reading is not None and reading.keys_and_values is not None:
        return _of_read(module, packing, reading, given[0], attention_mask, named)
    alone = all(each.shape[0] == 1 and each.shape[2] == layout.tokens for each in given)
    if not alone or "position_bias" in named:
        raise ValueError("attention is not among the tokens of the packed rows alone")
    query, key, value = given
    if reading is not None:
        reading.keys_and_values = key, value
        raise KeysFound
    causal = _is_causal(module, named)
    if is_ours(query, key, attention_mask, named, places=layout.longest):
        biases = packing.group_masks.biases(attention_mask, layout, precision_of(query), causal=causal)
        arrangement = layout.by_head(query.shape[1])
        return attention(query, key, value, biases, **{**named, "arrangement": arrangement})
    masks: Sequence[torch.Tensor | None]
    if packing.without_mask:
        masks = row_masks(layout, causal=getattr(module, LOOKS_BACK))
    else:
        masks = packing.group_masks.masks(attention_mask, layout.groups)
        packing.see(module, masks, causal=causal)
    split = [layout.split(each.transpose(1, 2)) for each in given]
    parts = [
        _plain(module, [each.transpose(1, 2) for each in group], mask, named)
        for *group, mask in zip(*split, masks, strict=True)
    ]
    return layout.join(parts)


def _of_read(
    module: nn.Module,
    packing: "Packing",
    reading: Reading,
    query: torch.Tensor,
    mask: torch.Tensor | None,
    named: dict[str, Any],
) -> torch.Tensor:
    """Return [1, read, heads, width of a head]: of the read tokens, with keys and values that were kept."""
    assert reading.keys_and_values is not None
    key, value = reading.keys_and_values
    layout, causal = reading.layout, _is_causal(module, named)
    asked = reading.by_head(query.shape[1])
    if is_ours(key, key, mask, named, places=layout.longest):
        biases = packing.group_masks.biases(mask, layout, torch.float32, causal=causal, reading=reading)
        arrangements = {"arrangement": layout.by_head(query.shape[1]), "asked": asked}
        return attention(query, key, value, biases, **{**named, **arrangements})
    of_keys = layout.by_head(key.shape[1])
    found = [
        _plain_torch(module, part, within, named).transpose(1, 2)
        for *part, within in zip(
            asked.split(query),
            of_keys.split(key),
            of_keys.split(value),
            bin_masks(mask, layout, causal=causal, reading=reading),
            strict=True,
        )
    ]
    flat = torch.cat([part.flatten(0, 2) for part in found])
    return asked.together_with_gradients(flat).transpose(1, 2).contiguous()


def _plain(
    module: nn.Module, given: Sequence[torch.Tensor], mask: torch.Tensor | None, named: dict[str, Any]
) -> torch.Tensor:
    query, key, value = given
    if is_ours(query, key, mask, named, places=query.shape[2]):
        bias = bias_of(mask, query.shape[2], precision_of(query), causal=_is_causal(module, named))
        return attention(query, key, value, [bias], **{**named, "arrangement": Padded(query)})
    return _plain_torch(module, given, mask, named)


def _plain_torch(
    module: nn.Module, given: Sequence[torch.Tensor], mask: torch.Tensor | None, named: dict[str, Any]
) -> torch.Tensor:
    found: torch.Tensor = AttentionInterface()[PLAIN](module, *given, mask, **named)[0]
    return found


def _is_causal(module: nn.Module, named: dict[str, Any]) -> bool:
    given = named.get("is_causal")
    return bool(getattr(module, "is_causal", True) if given is None else given)
