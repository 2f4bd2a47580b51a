"""How far training moved the weights of each part of a model, relative to how large they were."""

from typing import Any

import torch

from tritune.models.layers import take_apart


def weight_drift(before: Any, after: Any) -> dict[str, float]:
    """Return ||after - before|| / ||before|| (Frobenius) of all weights of each part, lowest part first.

    Each is 0 or more, and exactly 0 where no weight changed. The head is left out: where it is new, its first
    weights mean nothing.

    Args:
        before: The model as training began, on any device.
        after: The same architecture, on any device.
    """
    first, last = dict(before.named_parameters()), dict(after.named_parameters())
    drift = {}
    with torch.no_grad():
        for part in take_apart(after).parts:
            if part.role == "head":
                continue
            moved = size = 0.0
            for tensor in part.tensors:
                old, new = first[tensor.name], last[tensor.name].to(first[tensor.name].device)
                moved += float(torch.linalg.vector_norm(new - old, dtype=torch.float64)) ** 2
                size += float(torch.linalg.vector_norm(old, dtype=torch.float64)) ** 2
            if size or not moved:  # weights that were all 0 moved by no share of their size
                drift[part.name] = (moved / size) ** 0.5 if moved else 0.0
    return drift
