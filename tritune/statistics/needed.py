"""How many more seeds, or examples, a comparison needs before it can tell two methods apart.

Both are planned for the differences and spreads that were seen, which are themselves uncertain: read "about".
"""

import math
from dataclasses import replace

from scipy import special

from tritune.statistics.estimate import Estimate

POWER = 0.8
"""The share of repetitions in which the comparison would then tell."""

MOST_SEEDS = 50


def seeds_needed(difference: Estimate, *, target: float, level: float) -> int | None:
    """Return how many seeds in all tell a difference of `target`; None: no more than `MOST_SEEDS` would.

    Args:
        difference: Of paired seeds, two or more.
        target: In the metric's unit, above 0.
        level: Of the test, two-sided, in (0, 1).
    """
    for seeds in range(difference.seeds + 1, MOST_SEEDS + 1):
        then = replace(difference, seeds=seeds)
        if then.reach(level) + float(special.ndtri(POWER)) * then.error <= target:
            return seeds
    return None


def examples_needed(difference: Estimate, *, target: float, level: float) -> tuple[int, int] | None:
    """Return how many examples tell it, and with how many seeds; each takes half of the allowed variance.

    None where the examples' share is not known, the seeds alone need more than `MOST_SEEDS`, or the examples
    that there are would do. Arguments as above.
    """
    if difference.examples is None:
        return None
    distance = float(special.ndtri(POWER) - special.ndtri(level / 2))
    allowed = (target / distance) ** 2 / 2
    examples = math.ceil(difference.examples * difference.variance_of_examples / allowed)
    seeds = max(difference.seeds, math.ceil((difference.variance_of_seeds or 0.0) / allowed))
    return (examples, seeds) if seeds <= MOST_SEEDS and examples > difference.examples else None
