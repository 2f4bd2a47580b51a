"""Attention by our steps is torch's, but for rounding and for which weights are dropped."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tritune.training.arrangement import Padded
from tritune.training.attention import (
    LONGEST_ASKED,
    LONGEST_KEPT,
    attention,
    bias_of,
    is_ours,
    precision_of,
)
from tritune.training.dropout import dropped

ROWS, HEADS, PLACES, WIDTH = 3, 4, 9, 8


def three(kind: torch.dtype = torch.float32, *, key_heads: int = HEADS) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(ROWS, heads, PLACES, WIDTH).to(kind).requires_grad_()
        for heads in (HEADS, key_heads, key_heads)
    ]


def of_padded(query, key, value, mask, *, causal: bool = False, **named) -> torch.Tensor:
    bias = bias_of(mask, query.shape[2], precision_of(query), causal=causal)
    return attention(query, key, value, [bias], arrangement=Padded(query), **named)


def padding_mask() -> torch.Tensor:
    inside = torch.arange(PLACES) < torch.tensor([9, 5, 1])[:, None]
    return inside[:, None, None, :].expand(-1, 1, PLACES, -1)


MASKS = {
    "nothing": (None, False),
    "padding": (padding_mask(), False),
    "added": (torch.randn(1, 1, PLACES, PLACES), False),
    "earlier places": (None, True),
    "earlier places by mask": (torch.ones(PLACES, PLACES, dtype=torch.bool).tril()[None, None], True),
}


@pytest.mark.parametrize("key_heads", [HEADS, 2, 1])
@pytest.mark.parametrize("scaling", [None, 0.3])
@pytest.mark.parametrize("name", MASKS)
def test_outputs_and_gradients_are_torch_s(name, scaling, key_heads):
    mask, causal = MASKS[name]
    ours, theirs = three(key_heads=key_heads), three(key_heads=key_heads)
    found = of_padded(*ours, mask, causal=causal, scaling=scaling)
    expected = scaled_dot_product_attention(
        *theirs, attn_mask=mask, is_causal=causal and mask is None, scale=scaling, enable_gqa=True
    ).transpose(1, 2)
    assert found.shape == (ROWS, PLACES, HEADS, WIDTH)
    torch.testing.assert_close(found, expected)
    toward = torch.randn(found.shape)
    found.backward(toward)
    expected.backward(toward)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_weights_are_dropped_after_the_softmax():
    query, key, value = three()
    torch.manual_seed(7)
    found = of_padded(query, key, value, None, dropout=0.5)
    torch.manual_seed(7)
    weights = torch.softmax(query @ key.transpose(2, 3) / WIDTH**0.5, -1)
    dropping = dropped(weights.flatten(0, 1), 0.5).view_as(weights)
    torch.testing.assert_close(found, (dropping @ value).transpose(1, 2))


def test_in_bf16_it_is_as_near_to_fp32_as_torch_s():
    exact = scaled_dot_product_attention(*three()).transpose(1, 2)
    given = three(torch.bfloat16)
    theirs = scaled_dot_product_attention(*given).transpose(1, 2)
    ours = of_padded(*given, None)
    assert ours.dtype == torch.bfloat16
    assert (ours - exact).norm() < 1.5 * (theirs - exact).norm()


def test_a_place_that_may_look_at_none_has_finite_gradients():
    mask = torch.ones(1, 1, PLACES, PLACES, dtype=torch.bool)
    mask[..., 2, :] = False
    given = three()
    of_padded(*given, mask)[:, :2].sum().backward()
    assert all(bool(torch.isfinite(each.grad).all()) for each in given)


def test_under_autocast_it_computes_in_bf16():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert of_padded(*three(), None).dtype == torch.bfloat16


def test_it_is_left_to_torch_where_that_is_as_fast_or_another_thing_is_asked():
    def ours(places: int = 4, *, kind: torch.dtype = torch.float32, keys: int | None = None, **named) -> bool:
        query, key = (torch.empty(1, 1, n, 2, dtype=kind) for n in (places, keys or places))
        return is_ours(query, key, None, named, places=places)

    assert ours(dropout=0.1)
    assert ours(kind=torch.bfloat16)
    assert ours(LONGEST_KEPT + 1, dropout=0.1)
    assert not ours()
    assert not ours(LONGEST_KEPT + 1, kind=torch.bfloat16)
    assert not ours(dropout=0.1, keys=9)
    assert not ours(dropout=0.1, position_bias=torch.ones(()))
    assert not ours(dropout=0.1, kind=torch.float64)
    with torch.no_grad():
        assert not ours(dropout=0.1)
        assert ours(LONGEST_ASKED, kind=torch.bfloat16)
        assert not ours(LONGEST_ASKED + 1, kind=torch.bfloat16)


def test_an_added_mask_of_full_precision_gives_finite_gradients_in_bf16():
    query = torch.randn(2, 2, 16, 8, dtype=torch.bfloat16, requires_grad=True)
    mask = torch.full((2, 1, 16, 16), torch.finfo(torch.float32).min)
    mask[..., :5] = 0
    mask[:, :, 5:] = torch.finfo(torch.float32).min
    of_padded(query, query, query, mask).float()[:, :5].sum().backward()
    assert query.grad.isfinite().all()


@pytest.mark.parametrize("heads", [1, 2])
def test_the_gradient_that_it_is_given_stays_as_it_was(heads):
    given = torch.randn(1, heads, PLACES, WIDTH, requires_grad=True)
    before = torch.zeros(1, PLACES, heads, WIDTH, requires_grad=True)
    (of_padded(given, given, given, None, dropout=0.5) + before * 1).sum().backward()
    assert torch.equal(before.grad, torch.ones_like(before))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_mask_of_the_model_s_own_stays_as_it_was(kind):
    mask = torch.zeros(1, 1, 1, PLACES)
    mask[..., 3:] = -torch.inf
    for each in (mask.clone(), mask.expand(ROWS, 1, PLACES, PLACES)):
        before = each.clone()
        of_padded(*three(kind), each)
        assert torch.equal(each, before)


@pytest.mark.parametrize("places", [16, 31, 32, 48, 200])
def test_the_softmax_sums_well_whatever_the_width_in_bf16(places):
    query, key, value = (torch.randn(2, 2, places, 8) for _ in range(3))
    exact = [each.clone().requires_grad_() for each in (query, key, value)]
    given = [each.to(torch.bfloat16).requires_grad_() for each in (query, key, value)]
    expected = scaled_dot_product_attention(*exact).transpose(1, 2)
    found = of_padded(*given, None)
    for output in (expected, found.float()):
        output.square().sum().backward()
    for one, other in [(found, expected), *((a.grad, b.grad) for a, b in zip(given, exact, strict=True))]:
        assert (one - other).norm() < 0.02 * other.norm()
