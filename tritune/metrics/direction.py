"""Which way each metric is better. Light: imports neither scikit-learn nor numpy."""

from typing import get_args

from tritune.settings.train import Metric

METRICS: tuple[Metric, ...] = get_args(Metric)

HIGHER_IS_BETTER: dict[Metric, bool] = {
    "accuracy": True,
    "macro_f1": True,
    "weighted_f1": True,
    "matthews_correlation": True,
    "negative_log_likelihood": False,
    "expected_calibration_error": False,
}


def advantage(metric: Metric, score: float, other: float) -> float:
    """Return by how much `score` is better than `other`, in the metric's unit; negative if worse."""
    return score - other if HIGHER_IS_BETTER[metric] else other - score
