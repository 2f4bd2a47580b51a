"""A mean over seeds with all that is uncertain about it: which seeds, and which examples.

Two things would come out otherwise another time: the seeds (head, batches, dropout) and the examples that
the models were scored on. The first is seen in the spread over the seeds, the second by scoring resamples of
the examples. How far the truth may lie from the mean is the root of the sum of the two squared distances,
that of the seeds by Student's t, so that few seeds reach far: resampling two or three would reach too short.

Source: Howe 1974, "Approximate Confidence Limits on the Mean of X + Y Where X and Y Are Two Tabled
Independent Random Variables", https://doi.org/10.2307/2286019. (Satterthwaite's degrees of freedom, the usual
choice, claim too much where two or three seeds agree by chance: `tests/tritune/statistics` tries both.)
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from tritune.statistics.holm import LEVEL

_SMALLEST_P = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or the mean of paired differences."""

    value: float
    seeds: int
    examples: int | None
    """None: the examples' share of the uncertainty is not known for this metric."""

    variance_of_seeds: float | None
    """Of a single seed, 0 or more; None: there is only one seed."""

    variance_of_examples: float
    """Of the mean, 0 or more."""

    @property
    def error(self) -> float:
        """Standard error, 0 or more."""
        return math.sqrt((self.variance_of_seeds or 0.0) / self.seeds + self.variance_of_examples)

    @property
    def known(self) -> bool:
        """Whether there is anything to estimate the error from; few that all differ by the same are not."""
        if self.variance_of_seeds is None and self.examples is None:
            return False
        return self.error > 0 or self.value == 0

    def reach(self, level: float) -> float:
        """Return how far from `value` the truth may lie; it lies further off in a share of at most `level`.

        Args:
            level: In (0, 1).
        """
        squares = 0.0
        if self.variance_of_seeds:
            squares += special.stdtrit(self.seeds - 1, level / 2) ** 2 * self.variance_of_seeds / self.seeds
        if self.examples is not None and self.variance_of_examples:
            squares += special.stdtrit(max(self.examples - 1, 1), level / 2) ** 2 * self.variance_of_examples
        return math.sqrt(squares)

    def interval(self) -> list[float] | None:
        """Return the lower and the upper end at `LEVEL`; None where nothing is known of the error."""
        if not self.known:
            return None
        return [self.value - self.reach(LEVEL), self.value + self.reach(LEVEL)]

    def p_value(self) -> float | None:
        """Return the level at which the interval just touches 0, in [1e-12, 1]; None as for `interval`."""
        if not self.known:
            return None
        from scipy.optimize import brentq  # slow to import, and the stages that know no error need it not

        distance = abs(self.value)
        if distance <= self.reach(1 - _SMALLEST_P):
            return 1.0
        if distance >= self.reach(_SMALLEST_P):
            return _SMALLEST_P
        log = brentq(lambda x: self.reach(math.exp(x)) - distance, math.log(_SMALLEST_P), -_SMALLEST_P)
        return math.exp(log)


def estimate(values: np.ndarray, resampled: np.ndarray | None, *, examples: int | None) -> Estimate:
    """Return the mean over seeds.

    Args:
        values: [seeds] scores, or paired differences of scores.
        resampled: [resamples, seeds] the same on resamples of the examples; None where that is not possible.
        examples: How many there are; None together with `resampled`.
    """
    seeds = len(values)
    return Estimate(
        value=float(values.mean()),
        seeds=seeds,
        examples=examples,
        variance_of_seeds=float(values.var(ddof=1)) if seeds > 1 else None,
        variance_of_examples=0.0 if resampled is None else float(resampled.mean(axis=1).var(ddof=1)),
    )
