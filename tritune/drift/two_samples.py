"""Did two samples come from the same source? Permutation tests: exact, whatever the distribution.

Source: Phipson & Smyth 2010, "Permutation P-values Should Never Be Zero", for the count of one that the
sample itself is; two-sample Kolmogorov-Smirnov for lengths, which is cautious where lengths repeat.
"""

from typing import Any

import numpy as np

PERMUTATIONS = 999
"""A p-value is at least 1/1000: small enough for one test among ten by Holm's procedure."""


def mean_shift_p(first: Any, second: Any, *, weights: np.ndarray, seed: int) -> float:
    """Return the p-value of "rows of both come from one source", by how far the columns' means lie apart.

    Args:
        first: [rows, columns] numbers, dense or sparse.
        second: [other rows, columns].
        weights: [columns], at least 0: what a squared difference of means counts.
        seed: Of the permutations.

    Raises:
        ValueError: One has no rows, or their columns differ.
    """
    either, members = _either(first, second, seed=seed)
    rows, ours = either.shape[0], first.shape[0]
    sums = np.asarray(either.T @ members, dtype=np.float64)
    total = np.asarray(either.sum(axis=0), dtype=np.float64).reshape(-1, 1)
    shift = sums / ours - (total - sums) / (rows - ours)
    statistic = weights @ shift**2
    return float(np.mean(statistic >= statistic[0] * (1 - 1e-9)))


def unseen_p(first: Any, second: Any, *, seed: int) -> float:
    """Return the p-value of "rows of both come from one source", by what the second has and the first lacks.

    A name that occurs a few times in all can lie in one of two samples by chance. Arguments and errors as
    `mean_shift_p`, of counts.

    Returns:
        How often as many counts of the second are in columns that the first has nothing in.
    """
    either, members = _either(first, second, seed=seed)
    sums = np.asarray(either.T @ members, dtype=np.float64)
    total = np.asarray(either.sum(axis=0), dtype=np.float64).ravel()
    unseen = total @ (sums == 0)
    return float(np.mean(unseen >= unseen[0]))


def _either(first: Any, second: Any, *, seed: int) -> tuple[Any, np.ndarray]:
    """Return the rows of both, and [rows, 1 + permutations]: 1 where a row is one of the first's.

    As it is, and then in as many samples of its size that chance draws.
    """
    # Here, for a night in which nothing changed has no use for the seconds that it takes to load.
    from scipy import sparse

    if not first.shape[0] or not second.shape[0] or first.shape[1] != second.shape[1]:
        raise ValueError(f"samples of shapes {first.shape} and {second.shape} can't be compared")
    either = sparse.vstack([first, second]).tocsr() if sparse.issparse(first) else np.vstack([first, second])
    rows, ours = either.shape[0], first.shape[0]
    draw = np.random.default_rng(seed)
    members = np.zeros((rows, PERMUTATIONS + 1), dtype=np.float32)
    members[:ours, 0] = 1
    for number in range(1, PERMUTATIONS + 1):
        members[draw.permutation(rows)[:ours], number] = 1
    return either, members


def counts_p(first: Any, second: Any, *, seed: int) -> float:
    """Return the p-value for counts (labels, words): as chi-squared, columns count by how rare they are.

    Rows are permuted whole, so that words of one text may depend on each other. Arguments and errors as
    `mean_shift_p`; 1 where there is no column.
    """
    if not first.shape[1]:
        return 1.0
    mean = np.asarray(first.sum(axis=0) + second.sum(axis=0), dtype=np.float64).ravel()
    mean /= first.shape[0] + second.shape[0]
    weights = np.divide(1.0, mean, out=np.zeros_like(mean), where=mean > 0)
    return mean_shift_p(first, second, weights=weights, seed=seed)


def vectors_p(first: np.ndarray, second: np.ndarray, *, seed: int) -> float:
    """Return the p-value for vectors such as embeddings: each direction counts in its own spread."""
    variance = np.vstack([first, second]).astype(np.float64).var(axis=0)
    weights = np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0)
    return mean_shift_p(first, second, weights=weights, seed=seed)


def lengths_p(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the largest distance between the distributions of two lists of numbers, in [0, 1], and its p."""
    from scipy import stats  # as above

    found = stats.ks_2samp(first, second, method="asymp")
    return float(found.statistic), float(found.pvalue)
