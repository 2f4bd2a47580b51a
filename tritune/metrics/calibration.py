"""How far a classifier's confidence is from how often it is right.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599,
equations 2 to 5: bins of equal width over the probability of the predicted class.
"""

from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose confidence lies in (lower, upper]; the first bin takes 0 too."""

    lower: float
    upper: float
    rows: int
    confidence: float
    """Mean probability of the predicted class, in [0, 1]; the bin's middle where it has no rows."""

    accuracy: float
    """Share of the rows whose predicted class is right, in [0, 1]; 0 where the bin has no rows."""


def reliability_bins(
    labels: np.ndarray, probabilities: np.ndarray, *, bins: int = BINS
) -> list[ReliabilityBin]:
    """Return the reliability diagram as a table, lowest confidence first.

    Args:
        labels: [rows] class ids.
        probabilities: [rows, classes], each row summing to 1. Ties go to the lower class id.
        bins: Number of bins of equal width over [0, 1].

    Raises:
        ValueError: There are no rows, or the shapes do not match.
    """
    if len(labels) == 0 or probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not match")
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    table = []
    for index in range(bins):
        chosen = member == index
        lower, upper = float(edges[index]), float(edges[index + 1])
        rows = int(chosen.sum())
        table.append(
            ReliabilityBin(
                lower=lower,
                upper=upper,
                rows=rows,
                confidence=float(confidence[chosen].mean()) if rows else (lower + upper) / 2,
                accuracy=float(right[chosen].mean()) if rows else 0.0,
            )
        )
    return table


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, *, bins: int = BINS) -> float:
    """Return the mean distance between confidence and accuracy over the bins, weighted by rows.

    In [0, 1]; 0 is perfectly calibrated. Arguments and errors as `reliability_bins`.
    """
    table = reliability_bins(labels, probabilities, bins=bins)
    distance = sum(row.rows * abs(row.confidence - row.accuracy) for row in table)
    return distance / sum(row.rows for row in table)
