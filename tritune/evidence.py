"""What validation scores of several methods and seeds show: how sure each mean is, and which differ.

Pure: no files, no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from tritune.metrics.catalogue import METRICS
from tritune.metrics.sums import Parts
from tritune.statistics.estimate import Estimate, estimate
from tritune.statistics.holm import LEVEL, holm
from tritune.statistics.resample import resampled_scores

FEWEST_SEEDS = 3
"""With one, luck can't be told; with two, its spread is hardly known."""


@dataclass(frozen=True)
class Difference:
    """Between two methods, paired by seed and example."""

    first: str
    second: str
    advantage: Estimate
    """Of the first, in the metric's unit: above 0 where the first is better, whichever way is better."""

    p_adjusted: float | None
    """By Holm over all pairs of methods; None: nothing is known of the error."""

    effect_size: float | None
    """Cohen's d over the seeds: the advantage in pooled standard deviations of a method's scores; None for a
    single seed, or without any spread."""

    def of(self, name: str) -> Estimate:
        """Return the advantage of one of the two over the other."""
        if name == self.first:
            return self.advantage
        return replace(self.advantage, value=-self.advantage.value)

    @property
    def claimed(self) -> bool:
        """Whether the two are shown to differ; fewer than `FEWEST_SEEDS` seeds show nothing."""
        return (
            self.p_adjusted is not None and self.p_adjusted <= LEVEL and self.advantage.seeds >= FEWEST_SEEDS
        )


@dataclass(frozen=True)
class Evidence:
    """Of one metric on one split."""

    means: Mapping[str, Estimate]
    """By method."""

    differences: Sequence[Difference]
    """One for each pair of methods, in their order."""

    tests: int | None = None
    """How many tests share `LEVEL`, where there are others beside the pairs."""

    @property
    def level(self) -> float:
        """Level of a single test if all share `LEVEL`, in (0, 1)."""
        return LEVEL / max(self.tests or len(self.differences), 1)

    def between(self, one: str, other: str) -> Difference:
        """Return the difference of two methods, in whichever order it is kept."""
        return next(each for each in self.differences if {each.first, each.second} == {one, other})

    def shown_worse(self, one: str, other: str) -> bool:
        """Return whether `one` is shown to be worse than `other`."""
        difference = self.between(one, other)
        return difference.claimed and difference.of(one).value < 0


def weigh(
    scores: Mapping[str, Sequence[float]],
    *,
    metric: str,
    parts: Mapping[str, Sequence[Parts]] | None,
) -> Evidence:
    """Return what the scores show.

    Args:
        scores: Method -> [seeds] scores, the same seeds in the same order for all.
        metric: Says which way is better.
        parts: Method -> [seeds] the answers behind the scores, all on the same examples; None where the
            metric is not a function of sums over examples.
    """
    names = list(scores)
    values = {name: np.array(scores[name], dtype=np.float64) for name in names}
    drawn: dict[str, np.ndarray | None] = dict.fromkeys(names)
    examples = None
    if parts is not None:
        every = resampled_scores([one for name in names for one in parts[name]])
        bounds = np.cumsum([0, *(len(parts[name]) for name in names)])
        drawn = {name: every[:, bounds[i] : bounds[i + 1]] for i, name in enumerate(names)}
        examples = len(parts[names[0]][0].ids)
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    pairs = list(combinations(names, 2))
    advantages = []
    for first, second in pairs:
        one, other = drawn[first], drawn[second]
        resampled = None if one is None or other is None else sign * (one - other)
        advantages.append(estimate(sign * (values[first] - values[second]), resampled, examples=examples))
    p_values = {pair: one.p_value() for pair, one in zip(pairs, advantages, strict=True)}
    adjusted = holm({pair: p for pair, p in p_values.items() if p is not None})
    return Evidence(
        means={name: estimate(values[name], drawn[name], examples=examples) for name in names},
        differences=[
            Difference(
                first,
                second,
                advantage,
                adjusted.get((first, second)),
                _effect_size(values[first], values[second], advantage.value),
            )
            for (first, second), advantage in zip(pairs, advantages, strict=True)
        ],
    )


def ahead_of(
    scores: Sequence[float], other: float, *, metric: str, parts: Sequence[Parts] | None, others: Parts | None
) -> Estimate:
    """Return the advantage of a method's seeds over an answer that knows no luck, paired by example.

    Args:
        scores: [seeds] of the method.
        other: Score of the answer.
        metric: Says which way is better.
        parts: [seeds] the answers behind the method's scores; None as for `weigh`.
        others: Those behind the other's, on the same examples.
    """
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    resampled, examples = None, None
    if parts is not None and others is not None:
        drawn = resampled_scores([*parts, others])
        resampled, examples = sign * (drawn[:, :-1] - drawn[:, -1:]), len(others.ids)
    return estimate(sign * (np.array(scores, dtype=np.float64) - other), resampled, examples=examples)


def difference_content(difference: Difference) -> dict[str, Any]:
    """Return a difference, fit for JSON."""
    advantage = difference.advantage
    return {
        "first": difference.first,
        "second": difference.second,
        "advantage": advantage.value,
        "interval": advantage.interval(),
        "p_adjusted": difference.p_adjusted,
        "effect_size": difference.effect_size,
        "claimed": difference.claimed,
    }


def _effect_size(one: np.ndarray, other: np.ndarray, advantage: float) -> float | None:
    if len(one) < 2:
        return None
    spread = float(np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2))
    return advantage / spread if spread > 0 else None
