"""Cross entropy over the tokens that a model is to write, and over no other.

A row's terms are its labelled tokens. Of each run of them two numbers are kept, the sum of its loss and
how many they are, so that means over any rows are exact whatever their lengths.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tritune.objectives.selected_logits import places_at_once, selected_logits
from tritune.outputs import Outputs


def written_loss_sum(
    model: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    targets: torch.Tensor,
    places: torch.Tensor,
    *,
    label_smoothing: float,
) -> torch.Tensor:
    """Return the sum of the loss at the chosen places, in nats, as a scalar.

    Args:
        targets: [rows, places] int64: the token that each place predicts.
        places: [rows, places] bool: which of them are in the loss.
    """
    logits = selected_logits(model, inputs, places).float()
    return F.cross_entropy(logits, targets[places], label_smoothing=label_smoothing, reduction="sum")


def written_outputs(
    model: nn.Module, inputs: Mapping[str, torch.Tensor], targets: torch.Tensor, places: torch.Tensor
) -> list[torch.Tensor]:
    """Return, for each row, [runs, 2] float32: of each run of its terms the sum in nats, and their number.

    A run is what stands without a gap: an answer, or one turn of a dialogue. A row may have none.
    """
    terms = places.sum(dim=1)
    found: list[torch.Tensor] = []
    for rows in _few_at_once(terms.tolist(), most=places_at_once(model)):
        some, chosen = {name: values[rows] for name, values in inputs.items()}, places[rows]
        logits = selected_logits(model, some, chosen).float()
        losses = F.cross_entropy(logits, targets[rows][chosen], reduction="none")
        begins = chosen & ~F.pad(chosen[:, :-1], (1, 0))
        run = begins.flatten().cumsum(0).reshape(begins.shape)[chosen] - 1
        runs = begins.sum(dim=1).tolist()
        sums = torch.zeros(sum(runs), 2, device=losses.device)
        sums.index_add_(0, run, torch.stack([losses, torch.ones_like(losses)], dim=1))
        found += sums.split(runs)
    return found


def written_mean_loss(outputs: Outputs) -> float:
    """Return the mean loss per term, in nats, 0 or more; 0 where there is none."""
    sums = outputs.values.astype(np.float64).sum(axis=0)
    return float(sums[0] / sums[1]) if len(outputs.values) and sums[1] else 0.0


def _few_at_once(terms: list[int], *, most: int | None) -> Iterator[slice]:
    """Yield neighbouring rows with at most `most` terms together; a row with more stands alone."""
    start = total = 0
    for row, count in enumerate(terms):
        if most is not None and row > start and total + count > most:
            yield slice(start, row)
            start, total = row, 0
        total += count
    yield slice(start, len(terms))
