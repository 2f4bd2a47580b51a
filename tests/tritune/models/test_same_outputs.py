import torch

from tritune.models.same_outputs import same_outputs


def test_rounding_is_the_same_and_more_is_not():
    expected = torch.tensor([[1.0, 2.0], [0.0, -4.0]])
    assert same_outputs(expected + 3e-5, expected)
    assert not same_outputs(expected + 1e-3, expected)


def test_another_shape_is_not_the_same():
    assert not same_outputs(torch.zeros(2), torch.zeros(1, 2))
