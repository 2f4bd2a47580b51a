import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.metrics.catalogue import metrics_of
from tritune.metrics.classification import class_scores, classification_metrics, confusion, softmax

LABELS = np.array([0, 0, 0, 1])
PROBABILITIES = np.array([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]], dtype=np.float64)


def random_split(seed: int, *, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    weights = np.exp(draw.normal(size=(rows, classes)) * 2)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    return draw.integers(0, classes, rows), probabilities.astype(np.float32)


def test_every_metric_by_hand():
    scores = classification_metrics(LABELS, PROBABILITIES)
    # Predicted 0 0 1 1. Class 0: precision 1, recall 2/3; class 1: precision 1/2, recall 1.
    f1 = [4 / 5, 2 / 3]
    assert scores["accuracy"] == 3 / 4
    assert scores["macro_f1"] == pytest.approx(sum(f1) / 2)
    assert scores["weighted_f1"] == pytest.approx((3 * f1[0] + f1[1]) / 4)
    # (tp tn - fp fn) / sqrt(...) with class 1 positive: tp 1, tn 2, fp 1, fn 0.
    assert scores["matthews_correlation"] == pytest.approx(2 / math.sqrt(2 * 1 * 3 * 2))
    logs = [math.log(0.8), math.log(0.8), math.log(0.4), math.log(0.7)]
    assert scores["negative_log_likelihood"] == pytest.approx(-sum(logs) / 4)
    # Bins of 1/15: 0.8 is in (11/15, 12/15]: 2 rows, right; 0.6 in (8/15, 9/15]: wrong; 0.7: right.
    assert scores["expected_calibration_error"] == pytest.approx((2 * 0.2 + 0.6 + 0.3) / 4)


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_agrees_with_scikit_learn(seed, rows, classes):
    labels, probabilities = random_split(seed, rows=rows, classes=classes)
    predicted = probabilities.argmax(axis=1)
    scores = classification_metrics(labels, probabilities)
    assert scores["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # one class only
        expected = sklearn.metrics.matthews_corrcoef(labels, predicted)
    assert scores["matthews_correlation"] == pytest.approx(expected)
    present = sorted(set(labels))
    for average in ("macro", "weighted"):
        expected = sklearn.metrics.f1_score(
            labels, predicted, labels=present, average=average, zero_division=0
        )
        assert scores[f"{average}_f1"] == pytest.approx(expected)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # else scikit-learn warns of the float32 rounding
    expected = sklearn.metrics.log_loss(labels, exact, labels=list(range(classes)))
    # Probabilities in float32 are known to about 1e-7, and so is the logarithm of one close to 1.
    assert scores["negative_log_likelihood"] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_changes_no_score(seed):
    labels, probabilities = random_split(seed, rows=40, classes=4)
    order = np.random.default_rng(seed + 1).permutation(40)
    assert classification_metrics(labels[order], probabilities[order]) == pytest.approx(
        classification_metrics(labels, probabilities)
    )


def test_a_class_without_rows_leaves_macro_f1_to_the_others():
    labels = np.array([0, 1])
    probabilities = np.eye(3)[[0, 1]]
    assert classification_metrics(labels, probabilities)["macro_f1"] == 1.0
    # Predicting the absent class costs the row's own class its recall, and no more.
    labels, probabilities = np.array([0, 0, 1]), np.eye(3)[[0, 2, 1]]
    assert classification_metrics(labels, probabilities)["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_never_predicted_counts_as_zero():
    labels, probabilities = np.array([0, 1]), np.eye(2)[[0, 0]]
    assert classification_metrics(labels, probabilities)["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_perfect_model_reaches_the_ends_of_every_range():
    labels = np.array([0, 1, 2, 1])
    assert classification_metrics(labels, np.eye(3)[labels]) == {
        "accuracy": 1.0,
        "macro_f1": 1.0,
        "weighted_f1": 1.0,
        "matthews_correlation": 1.0,
        "negative_log_likelihood": 0.0,
        "expected_calibration_error": 0.0,
    }


def test_a_true_class_with_probability_zero_costs_a_bounded_number_of_nats():
    scores = classification_metrics(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32))
    assert scores["negative_log_likelihood"] == pytest.approx(-math.log(1e-12))


def test_the_metrics_are_those_of_the_catalogue():
    assert tuple(classification_metrics(LABELS, PROBABILITIES)) == metrics_of(
        "text_classification", objective="single_label"
    )


def test_class_scores_by_hand():
    first, second = class_scores(LABELS, PROBABILITIES)
    assert (first.rows, first.predicted, first.precision, first.recall) == (3, 2, 1.0, 2 / 3)
    assert (second.rows, second.predicted, second.precision, second.recall) == (1, 2, 0.5, 1.0)
    assert [first.f1, second.f1] == pytest.approx([4 / 5, 2 / 3])


def test_class_scores_list_a_class_without_rows():
    last = class_scores(np.array([0, 1]), np.eye(3)[[0, 1]])[2]
    assert (last.class_id, last.rows, last.predicted, last.f1) == (2, 0, 0, 0.0)


def test_confusion_has_actual_classes_first():
    assert confusion(LABELS, PROBABILITIES).tolist() == [[2, 1], [0, 1]]
    labels, probabilities = random_split(1, rows=50, classes=5)
    expected = sklearn.metrics.confusion_matrix(labels, probabilities.argmax(axis=1))
    assert confusion(labels, probabilities).tolist() == expected.tolist()


def test_softmax_is_unmoved_by_large_and_by_shifted_logits():
    probabilities = softmax(np.array([[1000.0, 999.0], [1.0, 0.0]], dtype=np.float32))
    assert probabilities.dtype == np.float32
    assert probabilities[0].tolist() == probabilities[1].tolist()
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 2)), "a split without rows has no scores"),
        ([0], np.zeros((2, 2)), "do not match"),
        ([2], np.eye(2)[:1], "but there are 2 classes"),
        ([0], np.full((1, 2), np.nan), "a probability is not finite"),
    ],
)
def test_refuses_what_has_no_score(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(np.array(labels, dtype=int), probabilities)
