"""Scores of many trainings on the same resamples of their examples: how much the choice of examples matters.

Source: the bootstrap, Efron & Tibshirani 1993, chapter 6: as many examples as there are, drawn with return.
All trainings see the same resamples, so differences between them are paired.
"""

from collections.abc import Sequence

import numpy as np

from tritune.metrics.sums import Parts

RESAMPLES = 1000
_AT_ONCE = 64


def resampled_scores(trainings: Sequence[Parts]) -> np.ndarray:
    """Return [resamples, trainings] scores; the same numbers for the same parts.

    Args:
        trainings: All of the same examples, one or more.

    Raises:
        ValueError: They are not of the same examples.
    """
    examples = len(trainings[0].ids)
    if any(list(one.ids) != list(trainings[0].ids) for one in trainings):
        raise ValueError("the trainings were not scored on the same examples")
    draw = np.random.default_rng(0)
    scores = np.empty((RESAMPLES, len(trainings)))
    for begin in range(0, RESAMPLES, _AT_ONCE):
        end = min(begin + _AT_ONCE, RESAMPLES)
        times = np.stack(
            [
                np.bincount(draw.integers(examples, size=examples), minlength=examples)
                for _ in range(begin, end)
            ],
            axis=1,
        ).astype(np.float64)
        for index, one in enumerate(trainings):
            scores[begin:end, index] = one.score((one.values.T @ times).T)
    return scores


def plain_score(parts: Parts) -> float:
    """Return the score on the examples as they are."""
    return float(parts.score(np.asarray(parts.values.sum(axis=0), dtype=np.float64)))
