"""What a method would score with more examples than there are, and how unsure that is.

The error falls about as a power law towards what no number of labels removes:
    error(n) = floor + (error(N) - floor) * (n / N) ** -exponent
Viering & Loog 2022 (https://arxiv.org/abs/2103.10948) find this form the most robust of those in use, and
Mahmood et al. 2022 (https://arxiv.org/abs/2207.01725) how far a single fitted curve is off when it comes from
few points. Three sizes do not tell floor and exponent apart, so no curve is fitted: floor, exponent and the
true scores are drawn many times, each draw counts by how well it explains what was measured, and what the
draws say of more examples is the answer. What the data do not tell stays as wide as it was assumed to be.

Assumed are: no floor in one case of five, in the others any between 0 and the error at the largest size, and
any exponent up to 2, all equally likely; at each other size, those foretold among them, an error within 5 %
of the power law that goes through that at the largest; labels of the same kind as these. More of them never
hurt.
Unsure are which seeds and examples were drawn: seeds by Student's t around the mean (resampling five of them
would reach too short, see `tritune.statistics.estimate`), validation examples by resampling, the same for
all sizes. Samples of one seed lie inside one another; that is not used, and makes the answer too wide if
anything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tritune.metrics.catalogue import METRICS

DRAWS = 100_000
STEEPEST = 2.0
NO_FLOOR = 0.2
"""The chance that labels remove all of the error in the end; 0 would keep such curves out of the interval."""

MISFIT = 0.05
"""Share of an error by which a true learning curve may lie off the power law through the error at the largest
size: a standard deviation, at each other size by itself."""

ENDS = (2.5, 50.0, 97.5)


@dataclass(frozen=True)
class Measured:
    """A method at one size."""

    examples: int
    scores: np.ndarray
    """[seeds]."""

    resampled: np.ndarray | None
    """[resamples] the mean over the seeds on resamples of the validation examples, the same for all sizes.
    Only how they spread counts: the mean of resamples of a score such as macro F1 is not the score."""


@dataclass(frozen=True)
class Forecast:
    """Of a method at a size that was not tried."""

    examples: int
    score: float
    """Median of what the draws say."""

    interval: tuple[float, float]
    gain: float
    """Over the largest size, in the metric's unit; above 0 is better whichever way is better."""

    gain_interval: tuple[float, float]


def forecast(curve: Sequence[Measured], *, metric: str, examples: Sequence[int]) -> list[Forecast]:
    """Return what is to be expected at each number of examples; nothing where that can't be told.

    It can't with one size, nor where no size has two seeds: then nothing is known of the noise.

    Args:
        curve: Ascending.
        examples: Larger than the largest size, ascending.
    """
    spread = [float(one.scores.std(ddof=1)) for one in curve if len(one.scores) > 1]
    if len(curve) < 2 or not spread:
        return []
    draw = np.random.default_rng(0)
    largest = curve[-1]
    floor_share = np.where(draw.uniform(size=DRAWS) < NO_FLOOR, 0.0, draw.uniform(size=DRAWS))
    exponent = draw.uniform(0.0, STEEPEST, size=DRAWS)
    which = np.arange(DRAWS)
    level = _errors(largest, metric)[which % len(_errors(largest, metric))]
    scale, freedom = _noise(largest, max(spread))
    worst = METRICS[metric].highest - METRICS[metric].lowest
    level = np.clip(level + scale * draw.standard_t(freedom, size=DRAWS), 0.0, worst)
    floor = floor_share * level

    def at(count: int) -> np.ndarray:
        errors: np.ndarray = floor + (level - floor) * (count / largest.examples) ** -exponent
        return errors

    weight = np.zeros(DRAWS)
    for one in curve[:-1]:
        seen = _errors(one, metric)
        expected = at(one.examples)
        scale, freedom = _noise(one, max(spread))
        wide = np.sqrt(scale**2 + (MISFIT * expected) ** 2) + 1e-9
        off = (seen[which % len(seen)] - expected) / wide
        weight += -np.log(wide) - (freedom + 1) / 2 * np.log1p(off**2 / freedom)
    weight = np.exp(weight - weight.max())
    sign, best = (-1.0, METRICS[metric].highest) if METRICS[metric].higher_is_better else (1.0, 0.0)
    lowest = 0.0 if METRICS[metric].higher_is_better else METRICS[metric].lowest
    found, errors = [], level
    for count in examples:
        off_law = 1 + MISFIT * draw.standard_normal(DRAWS)
        errors = np.clip(at(count) * off_law, 0.0, errors)
        low, middle, high = _quantiles(errors, weight)
        ends = sorted(best + sign * error + lowest for error in (low, high))
        gains = _quantiles(level - errors, weight)
        found.append(
            Forecast(
                examples=count,
                score=float(best + sign * middle + lowest),
                interval=(float(ends[0]), float(ends[1])),
                gain=float(gains[1]),
                gain_interval=(float(gains[0]), float(gains[2])),
            )
        )
    return found


def _errors(one: Measured, metric: str) -> np.ndarray:
    """Return [resamples, or 1] how far the mean score is from the best there is; 0 or more."""
    scores = np.array([one.scores.mean()])
    if one.resampled is not None:
        scores = scores + one.resampled - one.resampled.mean()
    found = METRICS[metric]
    errors = found.highest - scores if found.higher_is_better else scores - found.lowest
    return np.clip(errors, 0.0, found.highest - found.lowest)


def _noise(one: Measured, widest: float) -> tuple[float, int]:
    """Return scale and degrees of freedom of Student's t of the mean over seeds."""
    seeds = len(one.scores)
    if seeds < 2:
        return widest, 1
    return float(one.scores.std(ddof=1)) / math.sqrt(seeds), seeds - 1


def _quantiles(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    mass = np.cumsum(weight[order])
    places = np.searchsorted(mass, np.array(ENDS) / 100 * mass[-1])
    found: np.ndarray = values[order][np.minimum(places, len(values) - 1)]
    return found
