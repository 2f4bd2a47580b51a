"""Any number of labels for a text: binary cross entropy of each label, averaged over the labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tritune.objectives import single_label
from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import Batch

name = "multi_label"
auto_class = "AutoModelForSequenceClassification"


def config(labels: Sequence[str]) -> Mapping[str, Any]:
    return {**single_label.config(labels), "problem_type": "multi_label_classification"}


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: one term a row, the mean over its labels."""
    return np.ones(table.rows, dtype=np.int64)


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    """Smoothing moves each label's target from 0 or 1 towards one half."""
    logits = model(**batch.inputs()).logits.float()
    # Lists of label ids, padded with a negative number, as 0 and 1 for each label.
    marks = torch.zeros(logits.shape[0], logits.shape[1] + 1, device=logits.device)
    places = torch.where(batch.labels < 0, logits.shape[1], batch.labels)
    targets = marks.scatter(1, places, 1.0)[:, :-1]
    targets = targets * (1 - label_smoothing) + 0.5 * label_smoothing
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return losses.mean(dim=1).sum()


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return the logits of each row, [1, labels]."""
    return single_label.outputs(model, batch)


def mean_loss(outputs: Outputs, table: TokenTable) -> float:
    logits = outputs.values.astype(np.float64)
    # log(1 + exp(x)) - x * target, without overflow.
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return float(np.mean(softplus - logits * targets_of(table, labels=logits.shape[1])))


def targets_of(table: TokenTable, *, labels: int) -> np.ndarray:
    """Return [rows, labels] int64: 1 where a row has the label, else 0."""
    targets: np.ndarray = np.zeros((table.rows, labels), dtype=np.int64)
    for row in range(table.rows):
        targets[row, table.row_labels(row)] = 1
    return targets
