"""Attention of each token to those of its own row, of rows that lie end to end, in one call.

A model's own mask tells which places may look at which, but attention that is told where rows begin needs no
mask, and computes no pair of tokens of two rows. Whether a model's mask says nothing more than that is seen
on a few rows: every token looks at its whole row, or at what came before it.

Source: Dao 2023 (FlashAttention-2), https://arxiv.org/abs/2307.08691, by torch.
"""

from typing import Any

import torch

from tritune.training.attention import ANOTHER_KIND, precision_of
from tritune.training.row_layout import RowLayout

WIDEST = 256
"""Width of a head that the kernel takes at most; and it has to be a multiple of 8."""


def looks_of(mask: torch.Tensor | None, sizes: torch.Tensor, *, causal: bool) -> set[bool]:
    """Return how far places of rows can be looking: {True}: back only, {False}: at the whole row, both, or
    neither.

    Args:
        mask: [rows or 1, heads or 1, places or 1, places]: bool, True where a place may be looked at, or what
            is added before the softmax; None: all places are tokens.
        sizes: [rows] tokens of each.
        causal: whether without a mask no place looks at a later one.
    """
    if mask is None:
        return {causal} if int(sizes.max()) > 1 else {True, False}
    seen = mask if mask.dtype == torch.bool else mask == 0
    if mask.dtype != torch.bool and not bool((seen | (mask <= torch.finfo(mask.dtype).min / 2)).all()):
        return set()
    found = {True, False}
    for row, size in enumerate(sizes.tolist()):
        own = seen[row if len(seen) > 1 else 0]
        own = own.expand(-1, size, -1)[..., :size] if own.shape[-2] == 1 else own[..., :size, :size]
        every = torch.ones(size, size, dtype=torch.bool, device=own.device)
        shapes = {True: every.tril(), False: every}
        found &= {back for back, shape in shapes.items() if bool((own == shape).all())}
    return found


def row_masks(layout: RowLayout, *, causal: bool) -> list[torch.Tensor]:
    """Return for each group of rows [n, 1, width, width] bool: True where a place may be looked at."""
    masks = []
    for group in layout.groups:
        at = torch.arange(group.width, device=group.sizes.device)
        inside = at < group.sizes[:, None, None, None]
        masks.append(inside & (at <= at[:, None]) if causal else inside.expand(-1, 1, group.width, -1))
    return masks


def in_one_call(query: torch.Tensor, named: dict[str, Any]) -> bool:
    """Return whether `attention_of_rows` can do what is asked.

    Args:
        query: [1, heads, tokens, width of a head].
        named: what transformers gives its attention besides.
    """
    if query.device.type != "cuda" or precision_of(query) not in (torch.bfloat16, torch.float16):
        return False
    if any(named.get(name) is not None for name in ANOTHER_KIND):
        return False
    width: int = query.shape[-1]
    return width <= WIDEST and width % 8 == 0


def attention_of_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: RowLayout,
    longest: int,
    *,
    causal: bool,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> torch.Tensor:
    """Return [1, tokens, heads, width of a head].

    Args:
        query: [1, heads, tokens, width of a head].
        key, value: likewise; heads may be fewer, each for as many neighbouring ones of the query.
        longest: tokens of the longest row, or more.
        causal: whether no token looks at a later one.
        dropout: share of the weights, in [0, 1).
        scaling: of the products of queries and keys; None: one over the root of a head's width.
    """
    precision = precision_of(query)
    if layout.even:
        # Of rows of one length torch takes the fastest of its kernels.
        rows = layout.rows
        three = [
            given[0].unflatten(1, (rows, -1)).transpose(0, 1).to(precision) for given in (query, key, value)
        ]
        found = torch.nn.functional.scaled_dot_product_attention(
            *three,
            dropout_p=dropout,
            is_causal=causal,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return found.transpose(1, 2).flatten(0, 1)[None]
    tokens = [given[0].transpose(0, 1).to(precision) for given in (query, key, value)]
    found = torch.ops.aten._flash_attention_forward(
        *tokens, layout.starts, layout.starts, longest, longest, dropout, causal, False, scale=scaling
    )[0]
    return found[None]
