"""How alike two representations of the same things are, whatever their axes are called: linear CKA.

Source: Kornblith et al. 2019, https://arxiv.org/abs/1905.00414, section 3, equation 3 with linear kernels.
With few things and many features it is biased upwards: compare values of one sample size only.
"""

import torch


def linear_cka(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return a number in [0, 1]: 1 for representations that differ by a rotation, a scale and a shift only.

    Exactly 1 where both hold the same numbers.

    Args:
        first: [things, features], 2 things or more.
        second: [things, features of its own].
    """
    if first.shape == second.shape and torch.equal(first, second):
        return 1.0
    one, two = (_centred(states) for states in (first, second))
    own = _shared(one, one) * _shared(two, two)
    return min(1.0, _shared(one, two) / own**0.5) if own else 0.0


def _shared(one: torch.Tensor, two: torch.Tensor) -> float:
    """Return the squared Frobenius norm of one.T @ two, by the smaller matrices."""
    if len(one) < min(one.shape[1], two.shape[1]):
        return float(((one @ one.T) * (two @ two.T)).sum())
    return float((one.T @ two).square().sum())


def _centred(states: torch.Tensor) -> torch.Tensor:
    values = states.double()
    return values - values.mean(dim=0)
