"""Every score as a function of sums over examples, to compute it for any resample of them.

An example gives a row of numbers, such as "predicted class 3: 1"; a score needs their sums only. A resample
in which an example occurs twice has its row twice, whatever the score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tritune.metrics.calibration import BINS
from tritune.metrics.catalogue import SMALLEST_PROBABILITY

FromSums = Callable[[np.ndarray], np.ndarray]
"""From [..., k] sums to [...] scores."""


@dataclass(frozen=True)
class Parts:
    """One training's answers on one split, an example a row."""

    ids: Sequence[str]
    """Of the examples, in their order; the same for all trainings on the same data."""

    values: sparse.csr_array
    """[examples, k] float64."""

    score: FromSums


def mean_parts(
    ids: Sequence[str],
    values: np.ndarray,
    counts: np.ndarray | None = None,
    *,
    outer: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Parts:
    """Return the parts of a mean: sum of `values` / sum of `counts`, and `outer` of that.

    Args:
        values: [examples].
        counts: [examples] 0 or more; None: 1 each.
    """
    counted = np.ones(len(values)) if counts is None else counts
    columns = np.stack([values.astype(np.float64), counted.astype(np.float64)], axis=1)

    def score(sums: np.ndarray) -> np.ndarray:
        mean = _share(sums[..., 0], sums[..., 1])
        return mean if outer is None else outer(mean)

    return Parts(ids, sparse.csr_array(columns), score)


def count_parts(
    ids: Sequence[str], correct: np.ndarray, predicted: np.ndarray, gold: np.ndarray, *, metric: str
) -> Parts:
    """Return the parts of `micro_f1`, `precision` or `recall` over counted things.

    Args:
        correct, predicted, gold: [examples] how many each example has; a correct one is in all three.
    """
    columns = np.stack([correct, predicted, gold], axis=1).astype(np.float64)
    scores: dict[str, FromSums] = {
        "micro_f1": lambda sums: _share(2 * sums[..., 0], sums[..., 1] + sums[..., 2]),
        "precision": lambda sums: _share(sums[..., 0], sums[..., 1]),
        "recall": lambda sums: _share(sums[..., 0], sums[..., 2]),
    }
    return Parts(ids, sparse.csr_array(columns), scores[metric])


def label_parts(
    ids: Sequence[str], gold: sparse.csr_array, predicted: sparse.csr_array, *, metric: str
) -> Parts:
    """Return the parts of `macro_f1`, `weighted_f1` or `matthews_correlation`.

    Macro F1 is the mean over the labels that some example of the resample has.

    Args:
        gold, predicted: [examples, labels] 1 where an example has, or is given, a label.
    """
    labels = gold.shape[1]
    columns = sparse.hstack([gold, predicted, gold.multiply(predicted)], format="csr")

    def f1(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        has, given, right = (sums[..., i * labels : (i + 1) * labels] for i in range(3))
        return has, _share(2 * right, has + given)

    def macro(sums: np.ndarray) -> np.ndarray:
        has, each = f1(sums)
        return _share((each * (has > 0)).sum(axis=-1), (has > 0).sum(axis=-1))

    def weighted(sums: np.ndarray) -> np.ndarray:
        has, each = f1(sums)
        return _share((each * has).sum(axis=-1), has.sum(axis=-1))

    def matthews(sums: np.ndarray) -> np.ndarray:
        # Gorodkin 2004, in scikit-learn's form.
        has, given, right = (sums[..., i * labels : (i + 1) * labels] for i in range(3))
        rows = has.sum(axis=-1)
        above = right.sum(axis=-1) * rows - (has * given).sum(axis=-1)
        below = (rows**2 - (given**2).sum(axis=-1)) * (rows**2 - (has**2).sum(axis=-1))
        return _share(above, np.sqrt(below))

    scores: dict[str, FromSums] = {
        "macro_f1": macro,
        "weighted_f1": weighted,
        "matthews_correlation": matthews,
    }
    return Parts(ids, sparse.csr_array(columns.astype(np.float64)), scores[metric])


def calibration_parts(ids: Sequence[str], confidence: np.ndarray, right: np.ndarray) -> Parts:
    """Return the parts of the expected calibration error, with the bins of `tritune.metrics.calibration`."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    rows = np.arange(len(confidence))
    gaps = sparse.coo_array((confidence - right, (rows, member)), shape=(len(rows), BINS))
    columns = sparse.hstack([gaps, np.ones((len(rows), 1))], format="csr")
    return Parts(
        ids,
        sparse.csr_array(columns),
        lambda sums: _share(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1]),
    )


def negative_log_likelihoods(own: np.ndarray) -> np.ndarray:
    """Return the loss in nats of each probability of the right class."""
    losses: np.ndarray = -np.log(np.clip(own.astype(np.float64), SMALLEST_PROBABILITY, 1.0))
    return losses


def one_hot(classes: np.ndarray, *, count: int) -> sparse.csr_array:
    """Return [examples, count], 1 at each example's class."""
    rows = np.arange(len(classes))
    return sparse.csr_array((np.ones(len(rows)), (rows, classes)), shape=(len(rows), count))


def _share(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, 0 where there is nothing below."""
    shares: np.ndarray = np.zeros(np.shape(above), dtype=np.float64)
    np.divide(above, below, out=shares, where=below > 0)
    return shares
