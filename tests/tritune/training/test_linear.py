"""Products with weights cast once are autocast's, and follow the weights."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from tritune.training import linear
from tritune.training.linear import FastLinear
from tritune.training.optimizer import plan_optimizer

ROWS, PLACES, WIDTH, WIDER = 3, 5, 16, 24


class Model(nn.Module):
    """One module of each kind, and something between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDER)
        self.second = Conv1D(WIDTH, WIDER)
        self.third = nn.Linear(WIDTH, 2, bias=False)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.third(torch.tanh(self.second(torch.tanh(self.first(given)))))


def same_two() -> tuple[Model, Model]:
    torch.manual_seed(0)
    one, other = Model(), Model()
    nn.init.normal_(one.second.bias)
    other.load_state_dict(one.state_dict())
    return one, other


def in_bf16() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_those_of_autocast(kind):
    ours, theirs = same_two()
    FastLinear(ours)
    given = [torch.randn(ROWS, PLACES, WIDTH).to(kind).requires_grad_() for _ in range(2)]
    given[1].data.copy_(given[0].data)
    found = []
    for model, each in zip((ours, theirs), given, strict=True):
        with in_bf16():
            output = model(each)
        assert output.dtype == torch.bfloat16
        output.float().square().sum().backward()
        found.append([output, each.grad, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.detach().abs().max()))


def test_the_casts_follow_the_optimizer(kit):
    model = kit.tiny_bert()
    layer = model.bert.encoder.layer[0].output.dense
    FastLinear(model)
    optimizer = plan_optimizer(model, kit.plan_for(model, lr=1e-1), weight_decay=0.0)
    given = torch.randn(ROWS, layer.in_features)
    for _ in range(3):
        with in_bf16():
            layer(given).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        with in_bf16(), torch.no_grad():
            expected = nn.Linear.forward(layer, given)
            torch.testing.assert_close(layer(given), expected, rtol=0.02, atol=0.02)


def test_the_casts_follow_whatever_else_writes_the_weights():
    model, other = same_two()
    FastLinear(model)
    given = torch.randn(ROWS, WIDTH)
    with in_bf16(), torch.no_grad():
        before = model(given)
        for module in model.children():
            module.weight.mul_(-1)
        turned = model.first(given).float() - model.first.bias
        torch.testing.assert_close(
            turned, model.first.bias - other.first(given).float(), rtol=0.02, atol=0.02
        )
        model.first.weight.data = other.first.weight.detach().clone()
        model.second.weight.copy_(other.second.weight)
        model.third.load_state_dict(other.third.state_dict())
        assert torch.equal(model(given), before)


def test_in_full_precision_everything_runs_as_ever():
    ours, theirs = same_two()
    FastLinear(ours)
    given = torch.randn(ROWS, WIDTH)
    assert torch.equal(ours(given), theirs(given))


def test_casts_made_in_inference_mode_serve_a_training():
    model, _ = same_two()
    FastLinear(model)
    given = torch.randn(ROWS, WIDTH)
    with in_bf16(), torch.inference_mode():
        expected = model(given)
    with in_bf16():
        output = model(given)
    assert torch.equal(output, expected)
    output.sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_what_is_frozen_gets_no_gradient():
    model, _ = same_two()
    FastLinear(model)
    model.first.requires_grad_(False)
    with in_bf16():
        model(torch.randn(ROWS, WIDTH)).sum().backward()
    assert model.first.weight.grad is None
    assert model.second.weight.grad is not None


def test_removed_it_leaves_the_model_as_it_was():
    ours, theirs = same_two()
    FastLinear(ours).remove()
    given = torch.randn(ROWS, WIDTH)
    with in_bf16():
        assert torch.equal(ours(given), theirs(given))
    assert all("forward" not in module.__dict__ for module in ours.modules())


def test_where_the_library_has_no_product_with_a_bias_torch_s_own_serves(monkeypatch):
    def lacks(*_, **__):
        raise RuntimeError("could not create a primitive descriptor")

    model, _ = same_two()
    FastLinear(model)
    given = torch.randn(ROWS, WIDTH)
    with in_bf16(), torch.no_grad():
        expected = model(given)
        monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", lacks)
        linear._with_bias.cache_clear()
        torch.testing.assert_close(model(given), expected, rtol=0.02, atol=0.02)
    linear._with_bias.cache_clear()
