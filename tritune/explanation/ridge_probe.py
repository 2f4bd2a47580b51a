"""What can be read from states by a weighted sum alone: ridge regression on the answers, solved in one step.

Source: linear probes, Alain & Bengio 2016, https://arxiv.org/abs/1610.01644. Where we differ: squared error
instead of cross entropy, which has a closed form.
"""

import torch


def ridge_probe(states: torch.Tensor, answers: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Return [asked, answers] float64: what the sums say of other states.

    Features are put on one scale by `states`; the penalty is as strong as one feature's own variance.

    Args:
        states: [n, features] to learn from, 1 or more.
        answers: [n, k], each 0 or 1.
        asked: [m, features].
    """
    known, wanted = states.double(), answers.double()
    mean, deviation = known.mean(dim=0), known.std(dim=0, correction=0)
    # A feature that never changes says nothing.
    scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    known = (known - mean) / scale
    usual = wanted.mean(dim=0)
    return ((asked.double() - mean) / scale) @ _weights(known, wanted - usual) + usual


def _weights(known: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return [features, k], by the smaller of the two systems of equations that give the same."""
    count, features = known.shape
    if count < features:
        penalty = count * torch.eye(count, dtype=torch.float64)
        return known.T @ torch.linalg.solve(known @ known.T + penalty, wanted)
    penalty = count * torch.eye(features, dtype=torch.float64)
    solved: torch.Tensor = torch.linalg.solve(known.T @ known + penalty, known.T @ wanted)
    return solved
