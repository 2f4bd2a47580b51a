import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tritune.metrics.multi_label import multi_label_metrics, sigmoid

TARGETS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_by_hand():
    probabilities = np.array([[0.9, 0.1, 0.2], [0.1, 0.1, 0.1], [0.5, 0.8, 0.1]])
    scores = multi_label_metrics(TARGETS, probabilities)
    # Given: x, then none, then x and y; right are one x and the y, of 3 given and 3 there.
    assert scores["micro_f1"] == pytest.approx(2 / 3)
    assert scores["exact_match"] == pytest.approx(1 / 3)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_label_that_no_row_has_is_left_out_of_the_macro_average_but_not_of_the_micro_one():
    targets, given_ = np.array([[1, 0], [1, 0]]), np.array([[0.9, 0.9], [0.9, 0.1]])
    scores = multi_label_metrics(targets, given_)
    assert scores["macro_f1"] == 1.0
    assert scores["micro_f1"] == pytest.approx(0.8)


@given(
    targets=arrays.arrays(np.int64, (6, 4), elements=st.integers(0, 1)),
    probabilities=arrays.arrays(np.float64, (6, 4), elements=st.floats(0, 1)),
)
@settings(deadline=None)
def test_micro_f1_and_exact_match_are_scikit_learns(targets, probabilities):
    scores = multi_label_metrics(targets, probabilities)
    predicted = probabilities >= 0.5
    assert scores["micro_f1"] == pytest.approx(
        sklearn.metrics.f1_score(targets, predicted, average="micro", zero_division=0.0)
    )
    assert scores["exact_match"] == pytest.approx((targets == predicted).all(axis=1).mean())


def test_sigmoid_does_not_overflow():
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


def test_no_rows_no_scores():
    with pytest.raises(ValueError, match="do not match"):
        multi_label_metrics(np.zeros((0, 2)), np.zeros((0, 2)))


def test_a_single_label_is_scored_as_a_label_not_as_a_yes_or_no():
    scores = multi_label_metrics(np.array([[1], [1], [1], [0]]), np.array([[0.2], [0.3], [0.9], [0.1]]))
    # One of three found, nothing else given: precision 1, recall 1/3.
    assert scores["micro_f1"] == pytest.approx(0.5)
    assert scores["macro_f1"] == pytest.approx(0.5)
    alone = multi_label_metrics(
        np.array([[1, 0], [1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.1, 0.1], [0.1, 0.1]])
    )
    assert alone["macro_f1"] == pytest.approx(2 / 3)
