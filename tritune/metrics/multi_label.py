"""The scores of a classifier that gives a text every label with a probability of one half or more.

Macro F1 is the mean over the labels that some row has, as in `tritune.metrics.classification`.
"""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

THRESHOLD = 0.5


def multi_label_metrics(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return micro, macro and weighted F1 and the share of rows with exactly the right labels; all in [0, 1].

    Args:
        targets: [rows, labels] 0 or 1.
        probabilities: [rows, labels], each in [0, 1] by itself.

    Raises:
        ValueError: There are no rows, the shapes do not match, or a probability is not finite.
    """
    if targets.shape != probabilities.shape or targets.ndim != 2 or len(targets) == 0:
        raise ValueError(f"targets {targets.shape} and probabilities {probabilities.shape} do not match")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite: the model's output is broken")
    predicted = (probabilities >= THRESHOLD).astype(np.int64)
    present = np.flatnonzero(targets.any(axis=0))
    # With a column that nothing has, as scikit-learn takes a single one for the answers to one question.
    wide_targets, wide_predicted = (np.pad(one, ((0, 0), (0, 1))) for one in (targets, predicted))

    def f1(average: str, labels: np.ndarray = present) -> float:
        if len(labels) == 0:
            return 0.0
        return float(
            f1_score(wide_targets, wide_predicted, labels=labels, average=average, zero_division=0.0)
        )

    return {
        # Of all decisions: a label that no row has can still be given wrongly.
        "micro_f1": f1("micro", np.arange(targets.shape[1])),
        "macro_f1": f1("macro"),
        "weighted_f1": f1("weighted"),
        "exact_match": float(accuracy_score(targets, predicted)),
    }


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return float32 probabilities of the same shape, computed in float64 without overflow."""
    x = logits.astype(np.float64)
    small = np.exp(-np.abs(x))
    probabilities: np.ndarray = np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return probabilities
