"""Attention for training on a processor where torch's own is slow: with dropout, and in bf16.

With dropout torch takes its steps one by one, in fp32 whatever it is given; without, its backward pass in
bf16 takes several times that in fp32. Here the products stay in the precision of what they are given, the
softmax sums in fp32 inside, and dropout is ours. The weights are kept for the way back, as torch keeps them
with dropout; where it would not, long rows are left to it.
"""

from typing import Any

import torch

from tritune.training.dropout import dropped

LONGEST_KEPT = 1024
"""Places of a row whose weights are kept although torch would compute them again."""

ANOTHER_KIND = ("position_bias", "softcap", "cache")
"""Arguments that change what attention is."""


def is_ours(query: torch.Tensor, key: torch.Tensor, named: dict[str, Any]) -> bool:
    """Return whether `attention` gives what is asked, and sooner than torch.

    Args:
        query, key: [rows, heads, places, width of a head].
        named: what transformers gives its attention besides.
    """
    if query.device.type != "cpu" or not torch.is_grad_enabled() or query.shape[2] != key.shape[2]:
        return False
    if any(named.get(name) is not None for name in ANOTHER_KIND):
        return False
    short = query.shape[2] <= LONGEST_KEPT
    return bool(named.get("dropout")) or (short and precision_of(query) == torch.bfloat16)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    causal: bool,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> torch.Tensor:
    """Return [rows, places, heads, width of a head], as transformers' attentions do.

    Args:
        query: [rows, heads, places, width of a head].
        key: likewise; heads may be fewer, each for as many neighbouring ones of the query.
        value: as `key`.
        mask: [rows or 1, heads or 1, places or 1, places]: bool, True where a place may be looked at, or what
            is added before the softmax; None: all may be.
        causal: whether without a mask no place may look at a later one.
        dropout: share of the weights, in [0, 1).
        scaling: of the products of queries and keys; None: one over the root of a head's width.
    """
    rows, heads, places, width = query.shape
    precision, groups = precision_of(query), heads // key.shape[1]
    with torch.autocast(query.device.type, enabled=False):
        if groups > 1:
            key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
        query, key, value = (
            each.to(precision).reshape(rows * heads, places, -1) for each in (query, key, value)
        )
        scores = torch.baddbmm(
            query.new_zeros(()),
            query,
            key.transpose(1, 2),
            beta=0,
            alpha=width**-0.5 if scaling is None else scaling,
        )
        if (bias := _bias(mask, places, precision, causal=causal)) is not None:
            scores.view(rows, heads, places, places).add_(bias)
        weights = torch.softmax(scores, -1)
        found = torch.bmm(dropped(weights, dropout) if dropout else weights, value)
    return found.view(rows, heads, places, -1).transpose(1, 2).contiguous()


def _bias(
    mask: torch.Tensor | None, places: int, precision: torch.dtype, *, causal: bool
) -> torch.Tensor | None:
    """Return what is added before the softmax.

    What must not be looked at gets the lowest number, not minus infinity: a place of padding, which may look
    at none, would have no finite gradient.
    """
    if mask is None:
        if not causal:
            return None
        mask = torch.ones(places, places, dtype=torch.bool).tril()
    lowest = torch.finfo(precision).min
    if mask.dtype != torch.bool:
        # Of another precision the lowest may be minus infinity in this one.
        return mask.to(precision).clamp_(min=lowest)
    return torch.zeros(mask.shape, dtype=precision).masked_fill_(~mask, lowest)


def precision_of(query: torch.Tensor) -> torch.dtype:
    """Return in which precision products are computed here."""
    if torch.is_autocast_enabled(query.device.type):
        return torch.get_autocast_dtype(query.device.type)
    return query.dtype
