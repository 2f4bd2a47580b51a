"""A tag for each word, at its first token: cross entropy over the tags."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tritune.outputs import Outputs
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import Batch

name = "token_labels"
auto_class = "AutoModelForTokenClassification"


def config(labels: Sequence[str]) -> Mapping[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: a row's tokens that have a label; 0 is possible."""
    counted = np.concatenate([[0], np.cumsum(table.labels != IGNORED)])
    return np.diff(counted[table.label_offsets])


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    logits = model(**batch.inputs()).logits.float()
    return F.cross_entropy(
        logits.flatten(0, 1),
        batch.labels.flatten(),
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
        reduction="sum",
    )


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return the logits of each row, [tokens, tags]."""
    logits = model(**batch.inputs()).logits.float()
    lengths = batch.attention_mask.sum(dim=1).tolist()
    return [row[:length] for row, length in zip(logits, lengths, strict=True)]


def mean_loss(outputs: Outputs, table: TokenTable) -> float:
    """Return the mean over the tokens that have a label; 0 where none has."""
    asked = table.labels != IGNORED
    logits = outputs.values[asked].astype(np.float64)
    if len(logits) == 0:
        return 0.0
    logits -= logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return float(np.mean(log_sums - logits[np.arange(len(logits)), table.labels[asked]]))
