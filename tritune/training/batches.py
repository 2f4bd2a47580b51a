"""Which rows each optimizer step sees, and how they become one padded batch.

The order of an epoch is a function of (seed, epoch) alone: the same for every method, and a killed training
finds its place again without having stored the order.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tritune.tokens import IGNORED, TokenTable
from tritune.training.transfer import to_device

PADDING_PER_PIECE = 32
"""Places of padding worth saving by one more pass through the model, whose fixed cost is about as high."""

PADDED_PER_PACKED_PIECE = 4096
"""Places of padding, where none runs through the layers; embeddings and what is above them have it."""

PAIRS_PER_PACKED_PIECE = 2**25
"""Pairs of places beyond those inside the rows: 32 MiB of the mask that the model makes."""


FEW_ROWS = 8
"""Of which larger numbers of rows are multiples: what is above the layers then has few sizes."""


@dataclass(frozen=True)
class Batch:
    """Rows of one step, padded at the end to the longest of them."""

    input_ids: torch.Tensor
    """[rows, longest] int64."""

    attention_mask: torch.Tensor
    """[rows, longest] int64: 1 on tokens, 0 on padding."""

    labels: torch.Tensor
    """int64: [rows], or [rows, longest list], padded at the end with `IGNORED`."""

    token_type_ids: torch.Tensor | None = None
    """[rows, longest] int64, where the model tells a first from a second text by them."""

    prefix_output: torch.Tensor | None = None
    """[rows, longest, width] what a stored frozen prefix gives; 0 on padding."""

    row_lengths: torch.Tensor | None = None
    """[rows, 1] int64, on the CPU wherever the others are: tokens of each row, where no padding is to run."""

    def inputs(self) -> dict[str, torch.Tensor]:
        """Return what the model reads, by the names that transformers' models give their arguments."""
        given = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        if self.token_type_ids is not None:
            given["token_type_ids"] = self.token_type_ids
        if self.prefix_output is not None:
            given["prefix_output"] = self.prefix_output  # for the hook of a StoredPrefix
        if self.row_lengths is not None:
            given["row_lengths"] = self.row_lengths  # for the hook of a Packing
        return given

    def to(self, device: torch.device) -> "Batch":
        if device.type == "cpu":
            return self
        tensors = (
            self.input_ids,
            self.attention_mask,
            self.labels,
            self.token_type_ids,
            self.prefix_output,
        )
        moved = (None if t is None else to_device(t, device) for t in tensors)
        return Batch(*moved, row_lengths=self.row_lengths)  # type: ignore[arg-type]


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


def pieces(
    rows: np.ndarray,
    lengths: np.ndarray,
    *,
    terms: np.ndarray | None = None,
    most_terms: int | None = None,
    packed: bool = False,
) -> list[np.ndarray]:
    """Cut one step's rows into pieces of similar length, longest first, to be run one after the other.

    Their gradients add up to the step's own, so the result does not depend on the cut but for rounding.

    Args:
        rows: [n] row numbers; none have no piece.
        lengths: [n] tokens of each of them.
        terms: [n] terms of the loss of each of them.
        most_terms: of a piece, where each takes much memory; a row with more is a piece of its own.
        packed: whether no padding runs through the layers: then only much of it, such as that of one row far
            longer than the others, is a reason to cut.
    """
    order = np.argsort(-lengths, kind="stable")
    counts = np.zeros_like(lengths) if terms is None or most_terms is None else terms
    most = 0 if most_terms is None else most_terms
    found: list[np.ndarray] = []
    start = held = tokens = pairs = 0
    for position, index in enumerate(order):
        longest, length, count = int(lengths[order[start]]), int(lengths[index]), position + 1 - start
        held, tokens, pairs = held + counts[index], tokens + length, pairs + length**2
        padding = count * longest - tokens
        if packed:
            beyond = count * longest**2 - pairs
            padded = padding > max(PADDED_PER_PACKED_PIECE, 2 * tokens) or beyond > PAIRS_PER_PACKED_PIECE
        else:
            padded = padding > PADDING_PER_PIECE
        if position > start and (padded or held > most):
            found.append(rows[order[start:position]])
            start, held, tokens, pairs = position, counts[index], length, length**2
    return [*found, rows[order[start:]]] if len(rows) else []


def by_tokens(rows: np.ndarray, lengths: np.ndarray, *, most: int, padded: bool = False) -> list[np.ndarray]:
    """Cut rows, longest first, into batches of about the same size: `most` tokens, if no row has more alone.

    Args:
        rows: [n] row numbers.
        lengths: [n] tokens of each of them.
        padded: whether the places of padding count.
    """
    found, start = [], 0
    while start < len(rows):
        own = lengths[start : start + most]
        sizes = own[0] * np.arange(1, len(own) + 1) if padded else np.cumsum(own)
        count = max(1, int(np.searchsorted(sizes, most, side="right")))
        if FEW_ROWS < count < len(rows) - start:
            count -= count % FEW_ROWS
        found.append(rows[start : start + count])
        start += count
    return found


def collate(table: TokenTable, rows: np.ndarray, *, pad_token_id: int) -> Batch:
    """Return the given rows as one batch, in the given order.

    Args:
        rows: [n] row numbers, 1 or more of them.
        pad_token_id: fills the places after a row's end; the mask hides them from the model.
    """
    input_ids, inside = _padded(table.tokens, table.offsets, rows, fill=pad_token_id)
    if table.label_offsets is None:
        labels = table.labels[rows]
    else:
        labels, _ = _padded(table.labels, table.label_offsets, rows, fill=IGNORED)
    types = None
    if table.token_types is not None:
        types = torch.from_numpy(_padded(table.token_types, table.offsets, rows, fill=0)[0])
    # Not of `table.lengths`, which would go through all rows of the split for each batch.
    lengths = table.offsets[rows + 1] - table.offsets[rows]
    prefix_output = None
    if table.prefix_output is not None:
        starts = table.offsets if table.prefix_starts is None else table.prefix_starts
        prefix_output = _prefix_output(table.prefix_output, starts[rows], lengths, inside)
    return Batch(
        input_ids=torch.from_numpy(input_ids),
        attention_mask=torch.from_numpy(inside.astype(np.int64)),
        labels=torch.from_numpy(labels.astype(np.int64)),
        token_type_ids=types,
        prefix_output=prefix_output,
        row_lengths=torch.from_numpy(lengths)[:, None] if table.packed else None,
    )


def _prefix_output(
    values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, inside: np.ndarray
) -> torch.Tensor:
    """Return [rows, longest, width]: float32, or bfloat16 where `values` are its bits, as uint16."""
    found = np.zeros((*inside.shape, values.shape[1]), dtype=values.dtype)
    for number, (begin, length) in enumerate(zip(starts, lengths, strict=True)):
        found[number, :length] = values[begin : begin + length]
    tensor = torch.from_numpy(found)
    return tensor.view(torch.bfloat16) if values.dtype == np.uint16 else tensor


def _padded(
    values: np.ndarray, offsets: np.ndarray, rows: np.ndarray, *, fill: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows' lists as [rows, longest] int64, and which places are inside a list."""
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    columns = np.arange(lengths.max())
    inside = columns < lengths[:, None]
    if len(values) == 0:
        return np.full(inside.shape, fill, dtype=np.int64), inside
    # The last row's padding would point past the end of the array.
    places = np.minimum(starts[:, None] + columns, len(values) - 1)
    return np.where(inside, values[places], fill).astype(np.int64), inside
