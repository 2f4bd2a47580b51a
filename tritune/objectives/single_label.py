"""One label for a text: cross entropy over the classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import Batch

name = "single_label"
auto_class = "AutoModelForSequenceClassification"


def config(labels: Sequence[str]) -> Mapping[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: one term a row."""
    return np.ones(table.rows, dtype=np.int64)


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    logits = model(**batch.inputs()).logits
    return F.cross_entropy(logits.float(), batch.labels, label_smoothing=label_smoothing, reduction="sum")


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return the logits of each row, [1, classes]."""
    return list(model(**batch.inputs()).logits.float()[:, None])


def mean_loss(outputs: Outputs, table: TokenTable) -> float:
    logits = outputs.values.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return float(np.mean(log_sums - logits[np.arange(table.rows), table.labels]))
