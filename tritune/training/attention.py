"""Attention on a processor where torch's own is slow: with dropout, and in bf16.

With dropout torch takes its steps one by one, in fp32 whatever it is given; without, its backward pass in
bf16 takes several times that in fp32. Here the products stay in the precision of what they are given, the
softmax sums in fp32 inside, and dropout is ours. The weights are kept for the way back, as torch keeps them
with dropout; where it would not, long rows are left to it. Forward and backward are one step of autograd
each, for all groups of a batch: of short rows the many small operations take longer than their sums.
No product has a factor, so that those of the way there and of the way back are of the same few kinds, each of
which takes time to be made ready.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from tritune.training.arrangement import Arrangement
from tritune.training.dropout import INTEGERS, STEPS, kept_places, only_kept

LONGEST_KEPT = 1024
"""Places of a row whose weights are kept although torch would compute them again."""

ANOTHER_KIND = ("position_bias", "softcap", "cache")
"""Arguments that change what attention is."""

LONGEST_ASKED = 128
"""Places of a row up to which ours is sooner where nothing learns; torch keeps no weights then."""

AT_ONCE = 32
"""Numbers in bf16 that an instruction takes. Of a row's softmax torch takes those left over one by one."""

LONGEST_IN_FP32 = 200
"""Places of a row up to which those left over take longer than the whole row does in fp32."""


def is_ours(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, named: dict[str, Any], *, places: int
) -> bool:
    """Return whether `attention` gives what is asked, and sooner than torch.

    Args:
        query, key: [rows, heads, places, width of a head].
        mask: as in `bias_of`.
        named: what transformers gives its attention besides.
        places: of the longest row.
    """
    if query.device.type != "cpu" or query.shape[2] != key.shape[2]:
        return False
    if any(named.get(name) is not None for name in ANOTHER_KIND) or (mask is not None and mask.requires_grad):
        return False
    precision, learning = precision_of(query), torch.is_grad_enabled()
    if precision not in INTEGERS:
        return False
    short = places <= (LONGEST_KEPT if learning else LONGEST_ASKED)
    return (learning and bool(named.get("dropout"))) or (short and precision == torch.bfloat16)


@torch.compiler.disable  # type: ignore[untyped-decorator] # how many groups there are is the batch's
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    biases: Sequence[torch.Tensor | None],
    *,
    arrangement: Arrangement,
    asked: Arrangement | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> torch.Tensor:
    """Return [rows, places, heads, width of a head], as transformers' attentions do.

    Args:
        query: [rows, heads, places, width of a head].
        key: likewise; heads may be fewer, each for as many neighbouring ones of the query.
        value: as `key`.
        biases: of each group, as `bias_of` gives it.
        arrangement: of these places.
        asked: of those of the query, where they are others, in as many groups; then places of `query` and of
            what is returned are these.
        dropout: share of the weights, in [0, 1).
        scaling: of the products of queries and keys; None: one over the root of a head's width.
    """
    heads, width = query.shape[1], query.shape[3]
    groups = heads // key.shape[1]
    # Products of a few queries are so small that to make those of bf16 ready would take longer.
    precision = precision_of(query) if asked is None else torch.float32
    with torch.autocast(query.device.type, enabled=False):
        if groups > 1:
            key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
        found: torch.Tensor = _Attention.apply(
            query.to(precision),
            key.to(precision),
            value.to(precision),
            biases,
            (asked or arrangement, arrangement),
            heads,
            width**-0.5 if scaling is None else scaling,
            max(1, round((1 - dropout) * STEPS)),
        )
    return found.transpose(1, 2).contiguous()


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        biases: Sequence[torch.Tensor | None],
        arrangements: tuple[Arrangement, Arrangement],
        heads: int,
        scaling: float,
        steps: int,
    ) -> torch.Tensor:
        asked, arrangement = arrangements
        queries, keys, values = asked.apart(query), arrangement.apart(key), arrangement.apart(value)
        sides = zip(asked.groups, arrangement.groups, strict=True)
        pairs = [rows * places * others for (rows, places), (_, others) in sides]
        kept = None if steps >= STEPS else kept_places(sum(pairs), steps)
        found, weights = values.new_empty(len(queries), values.shape[-1]), []
        for (query, target), (key, value), bias, chosen in zip(
            _groups(asked, queries, found),
            _groups(arrangement, keys, values),
            biases,
            _of_each(kept, pairs),
            strict=True,
        ):
            each = _softmax(torch.bmm(query, key.transpose(1, 2)), scaling, bias, heads)
            torch.bmm(each if chosen is None else only_kept(each, chosen), value, out=target)
            if any(ctx.needs_input_grad):
                weights.append(each)
        ctx.save_for_backward(queries, keys, values, kept, *weights)
        ctx.arrangements, ctx.scaling, ctx.scale = arrangements, scaling, STEPS / steps
        return asked.together(found if kept is None else found.mul_(ctx.scale))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        queries, keys, values, kept, *weights = ctx.saved_tensors
        asked, arrangement = ctx.arrangements
        given = asked.apart_with_zeros(gradients[0])
        if kept is not None:
            given = given * ctx.scale  # not in place: it may be seen by others
        of_queries, of_keys, of_values = (torch.empty_like(each) for each in (queries, keys, values))
        for each, chosen, (query, gradient, of_query), (key, value, of_key, of_value) in zip(
            weights,
            _of_each(kept, [each.numel() for each in weights]),
            _groups(asked, queries, given, of_queries),
            _groups(arrangement, keys, values, of_keys, of_values),
            strict=True,
        ):
            dropped = each if chosen is None else only_kept(each, chosen)
            torch.bmm(dropped.transpose(1, 2), gradient, out=of_value)
            of_weights = torch.bmm(gradient, value.transpose(1, 2))
            if chosen is not None:
                of_weights = only_kept(of_weights, chosen)
            of_scores = _softmax_backward(of_weights, each).mul_(ctx.scaling).to(each.dtype)
            torch.bmm(of_scores, key, out=of_query)
            torch.bmm(of_scores.transpose(1, 2), query, out=of_key)
        of_all = map(arrangement.together, (of_keys, of_values))
        return asked.together(of_queries), *of_all, None, None, None, None, None


def _groups(arrangement: Arrangement, *flat: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Return views of each group: [rows or bins by heads, places, width of a head] of each that is flat."""
    sizes = [rows * places for rows, places in arrangement.groups]
    parts = zip(*(each.split(sizes) for each in flat), strict=True)
    return [
        tuple(part.view(*shape, -1) for part in group)
        for group, shape in zip(parts, arrangement.groups, strict=True)
    ]


def _of_each(kept: torch.Tensor | None, pairs: Sequence[int]) -> Sequence[torch.Tensor | None]:
    return [None] * len(pairs) if kept is None else kept.split(pairs)


def _softmax(scores: torch.Tensor, scaling: float, bias: torch.Tensor | None, heads: int) -> torch.Tensor:
    precision = scores.dtype
    scores = scores.to(_kind_of_scores(precision, scores.shape[-1]))
    if bias is None:
        scores.mul_(scaling)
    else:
        by_head = scores.unflatten(0, (-1, heads))
        torch.add(bias, by_head, alpha=scaling, out=by_head)
    return torch.softmax(scores, -1).to(precision)


def _softmax_backward(gradient: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    kind = torch.float32 if weights.shape[-1] < AT_ONCE else weights.dtype
    found: torch.Tensor = torch._softmax_backward_data(gradient.to(kind), weights.to(kind), -1, kind)
    return found


def _kind_of_scores(precision: torch.dtype, places: int) -> torch.dtype:
    return torch.float32 if places % AT_ONCE and places < LONGEST_IN_FP32 else precision


def bias_of(
    mask: torch.Tensor | None, places: int, precision: torch.dtype, *, causal: bool
) -> torch.Tensor | None:
    """Return what is added to the scores of a group before the softmax; None: nothing.

    What must not be looked at gets the lowest number, not minus infinity: a place of padding, which may look
    at none, would have no finite gradient.

    Args:
        mask: [rows or 1, heads or 1, places or 1, places]: bool, True where a place may be looked at, or what
            is added; None: all may be.
        places: of the group's rows.
        precision: of the products.
        causal: whether without a mask no place may look at a later one.
    """
    if mask is None:
        if not causal:
            return None
        mask = torch.ones(places, places, dtype=torch.bool).tril()
    lowest = torch.finfo(precision).min
    kind = _kind_of_scores(precision, places)
    if mask.dtype != torch.bool:
        # Of another precision the lowest may be minus infinity in this one.
        return mask.to(kind).clamp(min=lowest)
    return torch.zeros(mask.shape, dtype=kind).masked_fill_(~mask, lowest)


def precision_of(query: torch.Tensor) -> torch.dtype:
    """Return in which precision products are computed here."""
    if torch.is_autocast_enabled(query.device.type):
        return torch.get_autocast_dtype(query.device.type)
    return query.dtype
