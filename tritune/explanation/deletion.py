"""Does what an attribution says matters matter to the model? Words are taken out in its order, or by chance.

Source: the deletion game of Petsiuk et al. 2018 (RISE), https://arxiv.org/abs/1806.07421, section 3.4, for
words. The less area lies under the probability as words go, the better the order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 10
"""Places on the curve beside its beginning, where nothing is taken out; fewer where there are fewer words."""

RANDOM_ORDERS = 10
SEED = 0


@dataclass(frozen=True)
class Deletion:
    """Areas under the probability of the answer, each in [0, 1], over the share of words taken out."""

    area: float
    """Words that speak most for the answer first."""

    random_areas: tuple[float, ...]
    """Of `RANDOM_ORDERS` orders left to chance."""

    @property
    def random_area(self) -> float:
        """The mean of the areas by chance."""
        return float(np.mean(self.random_areas))

    @property
    def beaten(self) -> int:
        """How many of the orders by chance have more area."""
        return sum(area > self.area for area in self.random_areas)


def deletion(
    probability: Callable[[Sequence[frozenset[int]]], Sequence[float]], attributions: Sequence[float]
) -> Deletion:
    """Return the areas for an attribution's order and for random ones.

    Args:
        probability: From sets of words to take out, by number, to the probability of the answer without
            them.
        attributions: Of each word, 1 or more.
    """
    count = len(attributions)
    orders = [np.argsort(-np.asarray(attributions), kind="stable")]
    # RandomState, because its stream never changes with numpy's version (NEP 19).
    chance = np.random.RandomState(SEED)
    orders += [chance.permutation(count) for _ in range(RANDOM_ORDERS)]
    cuts = np.unique(np.linspace(0, count, min(POINTS, count) + 1).round().astype(int)).tolist()
    wanted = [[frozenset(order[:cut].tolist()) for cut in cuts] for order in orders]
    distinct = list(dict.fromkeys(words for sets in wanted for words in sets))
    known = dict(zip(distinct, probability(distinct), strict=True))
    areas = [
        float(np.trapezoid([known[words] for words in sets], np.asarray(cuts) / count)) for sets in wanted
    ]
    return Deletion(areas[0], tuple(areas[1:]))
