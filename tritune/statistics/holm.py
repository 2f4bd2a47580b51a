"""Several tests at once, such that the chance of even one false alarm stays within what one test may have.

Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6(2).
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Test = TypeVar("Test", bound=Hashable)

LEVEL = 0.05
"""Error rate of a test, or of a family of tests; written here once for all decisions."""


def holm(p_values: Mapping[Test, float]) -> dict[Test, float]:
    """Return each test's adjusted p-value, in the order given.

    Whatever the tests have to do with each other, the chance that a true hypothesis has an adjusted
    p-value of `LEVEL` or less is at most `LEVEL`, for all of them together.

    Args:
        p_values: Test -> p-value, in [0, 1].
    """
    adjusted: dict[Test, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
