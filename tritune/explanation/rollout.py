"""How much each place of a row attends, through all layers, to each place of the input.

Source: Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928, section 3. An attention is no explanation:
Jain & Wallace 2019, https://arxiv.org/abs/1902.10186.
"""

from collections.abc import Sequence

import torch

WARNING = (
    "Attention shows where the model looked, not why it answered: other attentions may give the same answer "
    "(Jain & Wallace 2019)."
)


def rollout(attentions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return [n, n] float64: row i tells how place i, after the last layer, is mixed from the input's places.

    Each row has numbers of 0 or more that add up to 1. A layer's residual connection counts half.

    Args:
        attentions: Of each layer, the lowest first, [heads, n, n], rows adding up to 1.
    """
    size = attentions[0].shape[-1]
    mixed = same = torch.eye(size, dtype=torch.float64)
    for layer in attentions:
        heads = layer.double().cpu().mean(dim=0)
        mixed = (0.5 * heads + 0.5 * same) @ mixed
    return mixed / mixed.sum(dim=-1, keepdim=True)
