import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tritune.metrics.classification import classification_metrics
from tritune.metrics.multi_label import multi_label_metrics
from tritune.metrics.sums import (
    Parts,
    calibration_parts,
    count_parts,
    label_parts,
    mean_parts,
    negative_log_likelihoods,
    one_hot,
)
from tritune.statistics.resample import plain_score


def classified(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Parts]:
    ids = list(range(len(labels)))
    predicted = probabilities.argmax(axis=1)
    right = (predicted == labels).astype(float)
    classes = probabilities.shape[1]
    gold, said = one_hot(labels, count=classes), one_hot(predicted, count=classes)
    own = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": mean_parts(ids, right),
        "negative_log_likelihood": mean_parts(ids, negative_log_likelihoods(own)),
        "expected_calibration_error": calibration_parts(
            ids, probabilities.max(axis=1).astype(np.float64), right
        ),
        **{
            metric: label_parts(ids, gold, said, metric=metric)
            for metric in ("macro_f1", "weighted_f1", "matthews_correlation")
        },
    }


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_every_score_of_a_resample_is_the_score_of_its_rows(seed, classes, rows):
    draw = np.random.default_rng(seed)
    labels = draw.integers(classes, size=rows)
    probabilities = draw.dirichlet(np.ones(classes), size=rows).astype(np.float32)
    chosen = draw.integers(rows, size=rows)
    times = np.bincount(chosen, minlength=rows).astype(np.float64)
    reference = classification_metrics(labels[chosen], probabilities[chosen])
    for metric, parts in classified(labels, probabilities).items():
        ours = float(parts.score(parts.values.T @ times))
        assert ours == pytest.approx(reference[metric], abs=1e-6), metric


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_scores_of_several_labels_are_those_of_scikit_learn(seed, labels, rows):
    draw = np.random.default_rng(seed)
    targets = draw.integers(2, size=(rows, labels))
    probabilities = draw.random((rows, labels))
    reference = multi_label_metrics(targets, probabilities)
    gold, said = sparse.csr_array(targets), sparse.csr_array((probabilities >= 0.5).astype(int))
    for metric in ("macro_f1", "weighted_f1"):
        assert plain_score(label_parts(range(rows), gold, said, metric=metric)) == pytest.approx(
            reference[metric]
        )
    counts = [m.sum(axis=1) for m in (gold.multiply(said), said, gold)]
    assert plain_score(count_parts(range(rows), *counts, metric="micro_f1")) == pytest.approx(
        reference["micro_f1"]
    )


def test_counted_things_by_hand():
    correct, predicted, gold = np.array([1, 0]), np.array([1, 2]), np.array([2, 0])
    values = {
        m: plain_score(count_parts("ab", correct, predicted, gold, metric=m))
        for m in ("micro_f1", "precision", "recall")
    }
    assert values == {"micro_f1": pytest.approx(0.4), "precision": pytest.approx(1 / 3), "recall": 0.5}


def test_a_weighted_mean_goes_through_its_outer_function():
    parts = mean_parts("ab", np.array([2.0, 4.0]), np.array([1, 2]), outer=np.exp)
    assert plain_score(parts) == pytest.approx(np.exp(2.0))


def test_nothing_to_divide_scores_0():
    none = np.zeros(2)
    assert plain_score(count_parts("ab", none, none, none, metric="micro_f1")) == 0.0
