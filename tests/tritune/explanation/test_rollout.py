import pytest
import torch

from tritune.explanation.rollout import rollout


def attention(rows: list[list[float]], heads: int = 1) -> torch.Tensor:
    return torch.tensor([rows] * heads)


def test_one_layer_is_half_its_attention_and_half_the_place_itself():
    found = rollout([attention([[0.2, 0.8], [1.0, 0.0]])])
    assert found.tolist() == [pytest.approx([0.6, 0.4]), pytest.approx([0.5, 0.5])]


def test_heads_are_averaged_and_layers_multiplied_from_below():
    lower = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
    upper = attention([[0.0, 1.0], [0.0, 1.0]])
    # Lower: [0.75 0.25; 0.5 0.5]; upper: [0.5 0.5; 0 1].
    assert rollout([lower, upper]).tolist() == [pytest.approx([0.625, 0.375]), pytest.approx([0.5, 0.5])]


def test_rows_are_shares_and_a_place_that_sees_only_itself_keeps_all():
    torch.manual_seed(0)
    layers = [torch.rand(3, 4, 4).softmax(dim=-1) for _ in range(5)]
    found = rollout(layers)
    assert found.sum(dim=-1).tolist() == pytest.approx([1.0] * 4)
    assert (found >= 0).all()
    assert rollout([torch.eye(4)[None]] * 3).tolist() == torch.eye(4).tolist()
