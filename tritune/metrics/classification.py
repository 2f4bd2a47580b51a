"""The scores of a classifier on one split, as one number each, per class, and class against class.

The set of classes is the model's, `range(classes)`, whatever the split holds. Where a class has no rows in
the split, macro F1 is the mean over the classes that have some: the same classes for every method, and 1 can
be reached. (scikit-learn's default would count such a class as 0 as soon as one method predicts it once.)
A class that has rows but is never predicted counts as 0.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from tritune.metrics.calibration import expected_calibration_error
from tritune.metrics.catalogue import SMALLEST_PROBABILITY


@dataclass(frozen=True)
class ClassScores:
    """One class of one split; precision, recall and F1 in [0, 1], 0 where undefined."""

    class_id: int
    rows: int
    predicted: int
    """Rows that the model gave this class."""

    precision: float
    recall: float
    f1: float


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return every metric of `tritune.settings.train.Metric`.

    Ranges: accuracy, macro_f1, weighted_f1 and expected_calibration_error in [0, 1];
    matthews_correlation in [-1, 1], 0 where it is undefined (one class only);
    negative_log_likelihood in [0, 27.7], mean nats per row.

    Args:
        labels: [rows] class ids below `classes`.
        probabilities: [rows, classes], each row summing to 1. The predicted class is the most
            probable one, the lower id in a tie.

    Raises:
        ValueError: There are no rows, the shapes do not match, a label is no class id, or a
            probability is not finite.
    """
    predicted = _checked_prediction(labels, probabilities)
    present = np.unique(labels)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": _f1(labels, predicted, average="macro", classes=present),
        "weighted_f1": _f1(labels, predicted, average="weighted", classes=present),
        "matthews_correlation": _matthews_correlation(labels, predicted),
        "negative_log_likelihood": float(-np.log(np.clip(own, SMALLEST_PROBABILITY, 1.0)).mean()),
        "expected_calibration_error": expected_calibration_error(labels, probabilities),
    }


def class_scores(labels: np.ndarray, probabilities: np.ndarray) -> list[ClassScores]:
    """Return one row per class of the model, in the order of the ids. Errors as above."""
    predicted = _checked_prediction(labels, probabilities)
    classes = probabilities.shape[1]
    precision, recall, f1, rows = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(classes), zero_division=0.0
    )
    counts = np.bincount(predicted, minlength=classes)
    return [
        ClassScores(
            class_id=index,
            rows=int(rows[index]),
            predicted=int(counts[index]),
            precision=float(precision[index]),
            recall=float(recall[index]),
            f1=float(f1[index]),
        )
        for index in range(classes)
    ]


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return [classes, classes] int64: rows of each actual class (first axis) by predicted class."""
    predicted = _checked_prediction(labels, probabilities)
    matrix: np.ndarray = np.zeros((probabilities.shape[1],) * 2, dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return [rows, classes] float32: each row's probabilities, computed in float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: np.ndarray = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def _matthews_correlation(labels: np.ndarray, predicted: np.ndarray) -> float:
    # With one class in all, scikit-learn answers 0 too, but warns.
    one_class = bool((labels == labels[0]).all() and (predicted == labels[0]).all())
    return 0.0 if one_class else float(matthews_corrcoef(labels, predicted))


def _f1(labels: np.ndarray, predicted: np.ndarray, *, average: str, classes: np.ndarray) -> float:
    return float(f1_score(labels, predicted, labels=classes, average=average, zero_division=0.0))


def _checked_prediction(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    if labels.ndim != 1 or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not match")
    if len(labels) == 0:
        raise ValueError("a split without rows has no scores")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels lie in [{labels.min()}, {labels.max()}], but there are {classes} classes")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite: the model's output is broken")
    predicted: np.ndarray = probabilities.argmax(axis=1)
    return predicted
