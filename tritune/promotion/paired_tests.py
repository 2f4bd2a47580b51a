"""Two models' scores on the same rows: is one not worse than the other beyond a margin, or is it worse?

Sources: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17, equations 6 to 10, for right and wrong answers; Student's
paired t test against a shifted mean for any other score; McNemar 1947, exact, for a class.
"""

import math

import numpy as np

FEWEST_ROWS = 2
"""Below that no test says anything."""


def non_inferiority_p(champion: np.ndarray, challenger: np.ndarray, *, margin: float) -> float:
    """Return the p-value of "the challenger's mean score lies `margin` or more below the champion's".

    A small one shows that the challenger is not worse beyond the margin. 1 where nothing can be shown: with
    fewer than two rows, or, with a margin of 0, no row on which they differ. For right and wrong answers
    the test is approximate: tests/tritune/promotion counts its errors exactly and holds them below 6 % where
    5 % are meant.

    Args:
        champion: [rows] scores, higher is better; 0 and 1 only (right or wrong), or any finite numbers.
        challenger: [rows] its scores on the same rows, in the same order.
        margin: In the scores' unit, at least 0; for right and wrong answers below 1.

    Raises:
        ValueError: The shapes differ, or the margin is out of range.
    """
    _check(champion, challenger)
    zero_or_one = _zero_or_one(champion) and _zero_or_one(challenger)
    if margin < 0 or (zero_or_one and margin >= 1):
        raise ValueError(f"margin must be at least 0, and below 1 for right and wrong answers (got {margin})")
    if len(champion) < FEWEST_ROWS:
        return 1.0
    if not zero_or_one:
        return _shifted_t(challenger.astype(np.float64) - champion.astype(np.float64) + margin)
    gained = int(np.sum(challenger > champion))
    lost = int(np.sum(challenger < champion))
    return _tango(gained, lost, rows=len(champion), difference=-margin)


def worse_p(champion: np.ndarray, challenger: np.ndarray) -> float:
    """Return the p-value of "the challenger is not worse", for right (1) and wrong (0) answers; exact.

    A small one shows that the challenger is worse. 1 where no row tells them apart.

    Raises:
        ValueError: The shapes differ, or a score is neither 0 nor 1.
    """
    # Here, for a night without a challenger has no use for the seconds that it takes to load.
    from scipy import stats

    _check(champion, challenger)
    if not (_zero_or_one(champion) and _zero_or_one(challenger)):
        raise ValueError("scores must be 0 or 1")
    gained = int(np.sum(challenger > champion))
    lost = int(np.sum(challenger < champion))
    # Of the rows that one of them alone has right, each is the challenger's with a chance of at least 1/2.
    return float(stats.binom.sf(lost - 1, gained + lost, 0.5)) if gained + lost else 1.0


def _tango(gained: int, lost: int, *, rows: int, difference: float) -> float:
    """Return the chance of a score statistic this high where the true difference is `difference`."""
    from scipy import stats

    a = 2 * rows
    b = -gained - lost + (2 * rows - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    lost_share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = rows * (2 * lost_share + difference * (1 - difference))
    distance = gained - lost - rows * difference
    if variance <= 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.norm.sf(distance / math.sqrt(variance)))


def _shifted_t(shifted: np.ndarray) -> float:
    from scipy import stats

    mean, spread = float(shifted.mean()), float(shifted.std(ddof=1))
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return 0.0 if mean > 0 else 1.0
    return float(stats.t.sf(mean / (spread / math.sqrt(len(shifted))), len(shifted) - 1))


def _zero_or_one(scores: np.ndarray) -> bool:
    return bool(np.isin(scores, (0, 1)).all())


def _check(champion: np.ndarray, challenger: np.ndarray) -> None:
    if champion.ndim != 1 or champion.shape != challenger.shape:
        raise ValueError(f"scores {champion.shape} and {challenger.shape} are not of the same rows")
