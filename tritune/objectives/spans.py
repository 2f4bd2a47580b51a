"""Where an answer starts and where it ends: two cross entropies over the tokens of a row.

Source: Devlin et al. 2019 (BERT), section 4.2, https://arxiv.org/abs/1810.04805, and its mean of the two
losses as in transformers' `...ForQuestionAnswering`. Where we differ from the latter: padding takes no part
in the softmax, so that it changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import Batch

name = "spans"
auto_class = "AutoModelForQuestionAnswering"


def config(labels: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG001
    return {"num_labels": 2}


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: one term a row, the mean of its start's and its end's loss."""
    return np.ones(table.rows, dtype=np.int64)


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    """Labels are [rows, 2]: positions of the first and the last token, both in the row."""
    inside = batch.attention_mask.bool()[..., None]
    logits = _logits(model, batch).masked_fill(~inside, -torch.inf)
    log_shares = logits.log_softmax(dim=1)  # [rows, longest, 2]
    right = log_shares.gather(1, batch.labels[:, None, :]).squeeze(1)
    loss = -right
    if label_smoothing:
        tokens = inside.sum(dim=1)
        even = -log_shares.masked_fill(~inside, 0.0).sum(dim=1) / tokens
        loss = (1 - label_smoothing) * loss + label_smoothing * even
    return loss.sum() / 2


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return the logits of each row, [tokens, 2]: of being the answer's first token, and its last."""
    lengths = batch.attention_mask.sum(dim=1).tolist()
    return [row[:length] for row, length in zip(_logits(model, batch), lengths, strict=True)]


def mean_loss(outputs: Outputs, table: TokenTable) -> float:
    begins = outputs.offsets[:-1]
    logits = outputs.values.astype(np.float64)
    highest = np.maximum.reduceat(logits, begins)
    lengths = np.diff(outputs.offsets)
    shares = np.exp(logits - np.repeat(highest, lengths, axis=0))
    log_sums = highest + np.log(np.add.reduceat(shares, begins))  # [rows, 2]
    right = logits[begins[:, None] + table.labels.reshape(-1, 2), [0, 1]]
    return float(np.mean(log_sums - right))


def _logits(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return [rows, longest, 2] float32."""
    output = model(**batch.inputs())
    return torch.stack([output.start_logits, output.end_logits], dim=-1).float()
