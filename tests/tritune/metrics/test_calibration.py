import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.metrics.calibration import expected_calibration_error, reliability_bins


def binary(confidence: list[float]) -> np.ndarray:
    """Predicts class 0 with each confidence, at least one half."""
    return np.array([[value, 1 - value] for value in confidence])


def test_bins_by_hand():
    labels = np.array([0, 0, 1, 0])
    table = reliability_bins(labels, binary([0.95, 0.85, 0.85, 0.55]), bins=10)
    assert [row.rows for row in table] == [0, 0, 0, 0, 0, 1, 0, 0, 2, 1]
    assert (table[8].confidence, table[8].accuracy) == (pytest.approx(0.85), 0.5)
    expected = (0.45 + 2 * 0.35 + 0.05) / 4
    assert expected_calibration_error(labels, binary([0.95, 0.85, 0.85, 0.55]), bins=10) == pytest.approx(
        expected
    )


def test_an_edge_belongs_to_the_bin_below_and_certainty_to_the_last():
    table = reliability_bins(np.array([0, 0]), binary([0.5, 1.0]), bins=2)
    assert [row.rows for row in table] == [1, 1]
    assert (table[0].lower, table[0].upper) == (0.0, 0.5)


def test_a_model_that_is_as_sure_as_it_is_right_has_no_error():
    labels = np.array([0, 0, 0, 1])
    assert expected_calibration_error(labels, binary([0.75] * 4)) == pytest.approx(0.0)


def test_a_model_that_is_always_sure_and_always_wrong_has_error_one():
    assert expected_calibration_error(np.array([1, 1]), binary([1.0, 1.0])) == 1.0


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 30))
def test_every_row_is_in_one_bin_and_one_bin_is_the_gap_of_the_means(rows, bins):
    labels = np.array([int(wrong) for _, wrong in rows])
    probabilities = binary([confidence for confidence, _ in rows])
    table = reliability_bins(labels, probabilities, bins=bins)
    assert sum(row.rows for row in table) == len(rows)
    assert all(row.lower - 1e-9 <= row.confidence <= row.upper + 1e-9 for row in table)
    gap = abs(probabilities.max(axis=1).mean() - (probabilities.argmax(axis=1) == labels).mean())
    assert expected_calibration_error(labels, probabilities, bins=1) == pytest.approx(gap, abs=1e-9)


def test_refuses_a_split_without_rows():
    with pytest.raises(ValueError, match="do not match"):
        reliability_bins(np.array([]), np.zeros((0, 2)))
