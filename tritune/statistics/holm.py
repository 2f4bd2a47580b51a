"""P-values of several tests at once, adjusted so that one false claim among all of them stays improbable.

Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in [0, 1], in the order given.

    Where tests with an adjusted value below 0.05 are claimed, any false claim at all happens in at most 5 %
    of cases, however many of the tests have nothing to find and however they depend on each other.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
