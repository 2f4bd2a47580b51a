"""How far a share may lie from the one that was counted, and the difference of two shares.

Sources: Wilson 1927 for one share; Newcombe 1998, "Interval estimation for the difference between independent
proportions", method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
Both stay sensible where all answers are right, as those to training rows often are.

A mean of scores that lie in [0, 1] varies at most as a share of the same size does (Bhatia & Davis 2000), so
for such a mean the intervals are wide enough, if anything too wide.
"""

import math

from scipy import special

from tritune.statistics.holm import LEVEL


def share_error(share: float, count: int) -> float:
    """Return the standard error of a share of `count` examples, 0 or more.

    Args:
        share: in [0, 1].
        count: 1 or more.
    """
    return math.sqrt(share * (1 - share) / count)


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval, both ends in [0, 1], at `LEVEL`. Arguments as above."""
    z = -float(special.ndtri(LEVEL / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def difference_interval(one: float, count: int, other: float, other_count: int) -> tuple[float, float]:
    """Return Newcombe's interval for `one` - `other`, shares of different examples, both ends in [-1, 1]."""
    (low, high), (other_low, other_high) = share_interval(one, count), share_interval(other, other_count)
    below = math.hypot(one - low, other_high - other)
    above = math.hypot(high - one, other - other_low)
    return one - other - below, one - other + above
