"""The chance of a rise since one of several earlier times, where that one was chosen because it was lowest.

Source: Dunnett 1955, "A Multiple Comparison Procedure for Comparing Several Treatments with a Control", JASA
50(272): each treatment is compared with the same control, and the largest t statistic of them all counts.
Where we differ: the correlations of the statistics are estimated from the groups, as in Hothorn, Bretz &
Westfall 2008, https://doi.org/10.1002/bimj.200810425, and the chance is counted among random draws.

Epochs beside each other have nearly the same losses: twenty of them are far fewer than twenty chances, each
of which Bonferroni's correction counts in full.
"""

import numpy as np
from scipy import special

DRAWS = 10_000


def chance_of_rise(differences: np.ndarray, chosen: int) -> float:
    """Return the chance that any of the sums would be so many standard errors above 0 if none truly was.

    In [0, 1]. Of a single time it is the one-sided paired t test's; of several it lies between that and as
    many times that, but for the error of the draws. The same number for the same differences.

    Args:
        differences: [times, groups] by how much each group's part of a sum is larger now than it was then;
            two or more groups.
        chosen: the time that is asked about.
    """
    times, groups = len(differences), differences.shape[1]
    own = differences[chosen]
    spread = float(own.std(ddof=1))
    if spread == 0:
        return float(own.sum() <= 0)
    statistic = float(own.sum() / (np.sqrt(groups) * spread))
    single = float(special.stdtr(groups - 1, -statistic))
    if times == 1:
        return single
    residuals = differences - differences.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(residuals, axis=1)
    directions = residuals[lengths > 0] / lengths[lengths > 0, None]
    draw = np.random.default_rng(0)
    # Each row is normal with variance 1 and as correlated with the others as the groups say.
    largest = (directions @ draw.normal(size=(groups, DRAWS))).max(axis=0)
    largest /= np.sqrt(draw.chisquare(groups - 1, size=DRAWS) / (groups - 1))
    counted = (1 + int((largest >= statistic).sum())) / (1 + DRAWS)
    # Below what so few draws can tell, Bonferroni's bound is the nearer one.
    return min(1.0, times * single, max(single, counted))
