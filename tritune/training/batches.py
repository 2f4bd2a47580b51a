"""Which rows each optimizer step sees, and how they become one padded batch.

The order of an epoch is a function of (seed, epoch) and the rows' lengths alone: the same for every method,
and a killed training finds its place again without having stored the order.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tritune.tokens import TokenTable

WINDOW = 50
"""Batches among which rows are sorted by length: large enough for little padding, small enough for chance."""


@dataclass(frozen=True)
class Batch:
    """Rows of one step, padded at the end to the longest of them."""

    input_ids: torch.Tensor
    """[rows, longest] int64."""

    attention_mask: torch.Tensor
    """[rows, longest] int64: 1 on tokens, 0 on padding."""

    labels: torch.Tensor
    """[rows] int64."""

    def to(self, device: torch.device) -> "Batch":
        if device.type == "cpu":
            return self
        tensors = (self.input_ids, self.attention_mask, self.labels)
        return Batch(*(tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors))


def steps_per_epoch(rows: int, *, batch_size: int) -> int:
    """Return the number of optimizer steps that see every row once; the last may see fewer rows."""
    return -(-rows // batch_size)


def epoch_batches(
    lengths: np.ndarray, *, batch_size: int, seed: int, epoch: int, window: int = WINDOW
) -> list[np.ndarray]:
    """Return the row numbers of each step of one epoch, every row once.

    Rows are shuffled, then sorted by length inside windows of `window` batches, so that a batch holds rows of
    similar length and little padding; then the batches are shuffled. Every batch has exactly `batch_size`
    rows but the last, which takes what is left over (a random choice of rows, not the longest).

    Args:
        lengths: [rows] tokens of each row.
        batch_size: rows per optimizer step.
        seed: 0 or more; of the training.
        epoch: from 0.
        window: batches. 1 leaves the order to chance alone.
    """
    # RandomState, because its stream never changes with numpy's version (NEP 19); Generator's may.
    chance = np.random.RandomState([seed % 2**32, seed // 2**32, epoch])
    order = chance.permutation(len(lengths))
    full = len(order) // batch_size * batch_size
    batches: list[np.ndarray] = []
    for start in range(0, full, window * batch_size):
        rows = order[start : min(start + window * batch_size, full)]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches.extend(rows.reshape(-1, batch_size))
    batches = [batches[index] for index in chance.permutation(len(batches))]
    if full < len(order):
        batches.append(order[full:])
    return batches


def collate(table: TokenTable, rows: np.ndarray, *, pad_token_id: int) -> Batch:
    """Return the given rows as one batch, in the given order.

    Args:
        rows: [n] row numbers, 1 or more of them.
        pad_token_id: fills the places after a row's end; the mask hides them from the model.
    """
    starts = table.offsets[rows]
    lengths = table.offsets[rows + 1] - starts
    columns = np.arange(lengths.max())
    inside = columns < lengths[:, None]
    # The last row's padding would point past the end of the array.
    places = np.minimum(starts[:, None] + columns, len(table.tokens) - 1)
    input_ids = np.where(inside, table.tokens[places], pad_token_id)
    return Batch(
        input_ids=torch.from_numpy(input_ids.astype(np.int64)),
        attention_mask=torch.from_numpy(inside.astype(np.int64)),
        labels=torch.from_numpy(table.labels[rows].astype(np.int64)),
    )
