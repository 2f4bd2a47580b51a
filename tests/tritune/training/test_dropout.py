"""What is dropped, how often, and that the same seed drops the same."""

import pytest
import torch
from torch import nn

from tritune.training.dropout import STEPS, FastDropout, dropped, kept_places

COUNT = 200_000


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate(rate):
    torch.manual_seed(3)
    kept = kept_places(COUNT, round((1 - rate) * STEPS))
    assert set(kept.unique().tolist()) == {-1, 0}
    error = (rate * (1 - rate) / COUNT) ** 0.5
    assert float((kept == 0).double().mean()) == pytest.approx(rate, abs=4 * error)


def test_places_are_dropped_independently_of_their_neighbours():
    torch.manual_seed(4)
    gone = (kept_places(COUNT, round(0.7 * STEPS)) == 0).double() - 0.3
    for apart in (1, 2, 3, 4, 5, 64):  # four places come from one drawn number
        correlation = float((gone[apart:] * gone[:-apart]).mean()) / (0.3 * 0.7)
        assert abs(correlation) < 4 / COUNT**0.5, apart


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_stays_is_scaled_and_the_gradient_is_that_of_what_stayed(kind):
    torch.manual_seed(5)
    values = torch.randn(64, 33).to(kind).t().requires_grad_()  # columns one after the other
    result = dropped(values, 0.25)
    assert result.dtype == kind
    stayed = result != 0
    scale = STEPS / round(0.75 * STEPS)
    assert torch.equal(result[stayed], (values.detach() * scale)[stayed])
    result.backward(torch.full_like(result, 2.0))
    assert torch.equal(values.grad, torch.where(stayed, 2.0 * scale, 0.0).to(kind))


def test_torch_s_seed_decides_what_is_dropped():
    values = torch.ones(1000)

    def places(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return [dropped(values, 0.5), dropped(values, 0.5)]

    first, again, other = places(1), places(1), places(2)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing_is_as_in_torch(rate):
    values = torch.ones(10, requires_grad=True)
    assert torch.equal(dropped(values, rate), nn.functional.dropout(values, rate))


def test_it_takes_the_place_of_a_model_s_dropout_while_it_trains_and_until_it_is_removed():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Dropout2d(0.5))
    values = torch.ones(4, 8)
    fast = FastDropout(model)
    assert "forward" not in model[2].__dict__
    torch.manual_seed(1)
    found = model[1](values)
    torch.manual_seed(1)
    assert torch.equal(found, dropped(values, 0.5))
    assert torch.equal(model.eval()[1](values), values)
    fast.remove()
    assert "forward" not in model[1].__dict__
