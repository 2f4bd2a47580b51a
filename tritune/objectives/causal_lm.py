"""Write on: a decoder's cross entropy over the labelled tokens of a text, each from what stands before it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tritune.objectives.written_tokens import written_loss_sum, written_mean_loss, written_outputs
from tritune.outputs import Outputs
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import Batch

name = "causal_lm"
auto_class = "AutoModelForCausalLM"


def config(labels: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG001
    return {}


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: the labelled tokens of each row; its first token follows nothing, so never counts.

    Labels are as many as tokens: label i is token i, or `IGNORED`.
    """
    assert table.label_offsets is not None
    labelled = table.labels != IGNORED
    starts = table.label_offsets[:-1]
    labelled[starts[starts < table.label_offsets[1:]]] = False
    counted = np.concatenate([[0], np.cumsum(labelled)])
    return np.diff(counted[table.label_offsets])


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    targets, places = _next_tokens(batch)
    return written_loss_sum(model, batch.inputs(), targets, places, label_smoothing=label_smoothing)


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return, for each row, [runs, 2]: of each run of labelled tokens the sum in nats, and their number."""
    return written_outputs(model, batch.inputs(), *_next_tokens(batch))


def mean_loss(outputs: Outputs, table: TokenTable) -> float:  # noqa: ARG001
    return written_mean_loss(outputs)


def _next_tokens(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each place predicts, and whether it is labelled: both [rows, longest]."""
    targets = torch.full_like(batch.labels, IGNORED)
    targets[:, :-1] = batch.labels[:, 1:]
    return targets, targets != IGNORED
