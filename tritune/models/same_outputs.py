"""Whether another way to run a model gives what the plain one gives, but for rounding."""

from collections.abc import Callable

import torch


def same_outputs(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Return whether they agree: within 1e-4 of each number, or 1e-5 of the largest where that is above 1."""
    close = 1e-5 * float(expected.abs().max().clamp(min=1))
    return found.shape == expected.shape and bool(torch.allclose(found, expected, rtol=1e-4, atol=close))


def gives_same(outputs: Callable[[], torch.Tensor], expected: torch.Tensor) -> bool:
    """Return whether outputs that are yet to be computed agree; where they can't be, they don't.

    It is a trial: code of others may raise anything when a model is run in a way that it was not written for.
    """
    try:
        return same_outputs(outputs(), expected)
    except Exception:
        return False
