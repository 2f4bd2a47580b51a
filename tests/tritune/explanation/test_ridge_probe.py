import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from tritune.explanation.ridge_probe import ridge_probe


def draw(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("features", [5, 50])
def test_it_is_scikit_learn_s_ridge_on_standardised_features(features):
    known, asked = draw(20, features, 0) * 3 + 1, draw(7, features, 1)
    answers = (draw(20, 2, 2) > 0).float()
    mean, deviation = known.mean(dim=0), known.std(dim=0, correction=0)
    reference = Ridge(alpha=20).fit((known - mean) / deviation, answers)
    expected = reference.predict((asked - mean) / deviation)
    np.testing.assert_allclose(ridge_probe(known, answers, asked).numpy(), expected, atol=1e-5)


def test_the_scale_of_a_feature_and_a_constant_one_change_nothing():
    known, asked = draw(20, 4, 0), draw(7, 4, 1)
    answers = (known[:, :1] > 0).float()
    plain = ridge_probe(known, answers, asked)
    scale = torch.tensor([1.0, 10.0, 0.1, 5.0])
    torch.testing.assert_close(ridge_probe(known * scale, answers, asked * scale), plain)
    wider = [torch.cat([states, torch.full((len(states), 1), 3.0)], dim=1) for states in (known, asked)]
    torch.testing.assert_close(ridge_probe(wider[0], answers, wider[1]), plain)


def test_it_finds_classes_that_a_plane_parts_and_says_the_usual_where_nothing_is_known():
    known = torch.cat([draw(30, 3, 0) + 4, draw(30, 3, 1) - 4])
    answers = torch.eye(2).repeat_interleave(30, dim=0)
    assert ridge_probe(known, answers, known).argmax(dim=1).tolist() == [0] * 30 + [1] * 30
    assert (
        ridge_probe(torch.ones(4, 2), torch.tensor([[1.0], [0], [0], [0]]), torch.ones(1, 2)).item() == 0.25
    )
