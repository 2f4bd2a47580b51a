import numpy as np
import pytest

from tritune.metrics.calibration import expected_calibration_error
from tritune.metrics.classification import softmax
from tritune.metrics.temperature import fitted_temperature


def drawn(temperature: float, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow softmax(logits / temperature)."""
    draw = np.random.default_rng(0)
    logits = draw.normal(scale=2, size=(rows, 4)).astype(np.float32)
    sums = softmax(logits / temperature).cumsum(axis=1)
    return (draw.random((rows, 1)) > sums).sum(axis=1).clip(max=3), logits


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_it_is_found_again(temperature):
    labels, logits = drawn(temperature)
    found = fitted_temperature(labels, logits)
    assert found == pytest.approx(temperature, rel=0.05)
    before, after = (expected_calibration_error(labels, softmax(x)) for x in (logits, logits / found))
    assert after <= max(before, 0.015)


def test_a_model_that_is_always_right_does_not_become_certain():
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert fitted_temperature(np.array([0, 1, 2]), logits) == pytest.approx(0.5, abs=1e-3)


def test_a_model_that_knows_nothing_is_made_unsure():
    logits = 5 * np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert fitted_temperature(np.array([1, 2, 0]), logits) == pytest.approx(10.0, abs=1e-2)
