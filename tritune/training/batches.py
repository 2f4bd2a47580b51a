"""Which rows each optimizer step sees, and how they become one padded batch.

The order of an epoch is a function of (seed, epoch) alone: the same for every method, and a killed training
finds its place again without having stored the order.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tritune.tokens import TokenTable

PADDING_PER_PIECE = 64
"""Places of padding worth saving by one more pass through the model, whose fixed cost is about as high."""


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


def epoch_batches(rows: int, *, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the row numbers of each step of one epoch: every row once, in an order left to chance alone.

    Rows are not grouped by length, as is often done to save padding: length says something of the label, and
    a step that sees long rows only sees some labels only. `pieces` saves the padding inside a step.

    Args:
        rows: of the training split.
        batch_size: rows per optimizer step; the last step takes what is left over.
        seed: 0 or more; of the training.
        epoch: from 0.
    """
    # RandomState, because its stream never changes with numpy's version (NEP 19); Generator's may.
    order = np.random.RandomState([seed % 2**32, seed // 2**32, epoch]).permutation(rows)
    return [order[start : start + batch_size] for start in range(0, rows, batch_size)]


def pieces(rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Cut one step's rows into pieces of similar length, longest first, to be run one after the other.

    Their gradients add up to the step's own, so the result does not depend on the cut but for rounding.

    Args:
        rows: [n] row numbers, 1 or more.
        lengths: [n] tokens of each of them.
    """
    order = np.argsort(-lengths, kind="stable")
    found: list[np.ndarray] = []
    start = padding = 0
    for position, index in enumerate(order):
        padding += lengths[order[start]] - lengths[index]
        if padding > PADDING_PER_PIECE:
            found.append(rows[order[start:position]])
            start, padding = position, 0
    return [*found, rows[order[start:]]]


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
