import pytest
import torch

from tritune.explanation.linear_cka import linear_cka


def states(things: int = 40, features: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(things, features, generator=torch.Generator().manual_seed(seed))


def test_the_same_numbers_are_exactly_alike():
    assert linear_cka(states(), states()) == 1.0


@pytest.mark.parametrize("features", [6, 60])
def test_a_rotation_a_scale_and_a_shift_change_nothing(features):
    one, other = states(features=features), states(features=features, seed=1)
    rotation, _ = torch.linalg.qr(states(features, features, seed=2))
    turned = 3 * one @ rotation + 5
    assert linear_cka(one, turned) == pytest.approx(1, abs=1e-5)
    assert linear_cka(turned, other) == pytest.approx(linear_cka(one, other), abs=1e-5)


def test_it_is_the_same_both_ways_and_between_0_and_1():
    one, other = states(), states(features=9, seed=1)
    assert 0 < linear_cka(one, other) < 0.5
    assert linear_cka(one, other) == pytest.approx(linear_cka(other, one))


def test_by_hand():
    # Centred columns (1, -1, 0) and (1, 1, -2): their product is 0. With (1, 0, -1): 1 / (2 * 2).
    column = torch.tensor([[1.0], [-1.0], [0.0]])
    assert linear_cka(column, torch.tensor([[1.0], [1.0], [-2.0]])) == pytest.approx(0)
    assert linear_cka(column, torch.tensor([[1.0], [0.0], [-1.0]])) == pytest.approx(0.25)


def test_what_never_changes_is_like_nothing():
    assert linear_cka(states(), torch.ones(40, 2)) == 0.0
