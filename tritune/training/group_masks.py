"""The model's mask as attention needs it: corners for groups and bins, what they add to scores, or none."""

from collections.abc import Sequence

import numpy as np
import torch

from tritune.training.attention import bias_of
from tritune.training.bins import Bins
from tritune.training.reading import Reading
from tritune.training.row_layout import Group, RowLayout


class GroupMasks:
    """What layers ask for of one batch's masks, each found once: all layers are given the same."""

    def __init__(self) -> None:
        self._masks: dict[int, tuple[torch.Tensor, Sequence[torch.Tensor]]] = {}
        self._biases: dict[
            tuple[int, torch.dtype, bool, bool], tuple[torch.Tensor | None, Sequence[torch.Tensor]]
        ] = {}

    def masks(self, mask: torch.Tensor | None, groups: Sequence[Group]) -> Sequence[torch.Tensor | None]:
        """Return the mask of each group of rows of one for all, [rows or 1, ..., longest, longest]."""
        if mask is None:
            return [None] * len(groups)
        if id(mask) not in self._masks:
            found = []
            for group in groups:
                part = mask[..., : group.width, : group.width]
                found.append(part if len(part) == 1 else part.index_select(0, group.rows))
            self._masks[id(mask)] = mask, found
        return self._masks[id(mask)][1]

    def biases(
        self,
        mask: torch.Tensor | None,
        layout: RowLayout,
        precision: torch.dtype,
        *,
        causal: bool,
        reading: Reading | None = None,
    ) -> Sequence[torch.Tensor]:
        """Return what is added to the scores of each group of bins, or of what is read; see `bias_of`."""
        key = id(mask), precision, causal, reading is None
        if key not in self._biases:
            masks = bin_masks(mask, layout, causal=causal, reading=reading)
            found = [bias_of(each, each.shape[-1], precision, causal=False) for each in masks]
            self._biases[key] = mask, found
        return self._biases[key][1]

    def clear(self) -> None:
        """Begin another batch."""
        self._masks.clear()
        self._biases.clear()


def bin_masks(
    mask: torch.Tensor | None, layout: RowLayout, *, causal: bool, reading: Reading | None = None
) -> list[torch.Tensor]:
    """Return of each group [bins, heads or 1, places, places]: the model's mask within each row.

    Nobody looks beyond a row; places that hold nothing may look anywhere.

    Args:
        mask: of all rows, [rows or 1, heads or 1, places or 1, places]; None: all may be looked at.
        causal: whether without a mask no place may look at a later one.
        reading: what is read; its slots are then in the place of the places that look.
    """
    found, begun = [], 0
    for number, group in enumerate(layout.bins):
        rows = layout.row_numbers[begun : begun + len(group.lengths)]
        begun += len(group.lengths)
        keys = queries = _rows_and_columns(group, rows, group.column)
        if reading is not None:
            queries = _rows_and_columns(reading.slots[number], rows, reading.columns(group))
        found.append(_mask_between(mask, queries, keys, causal=causal))
    return found


def _rows_and_columns(
    group: Bins, rows: torch.Tensor, columns: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return of each place of the bins, [bins, places], its row, -1: none, and its column there."""
    row = torch.full((group.count * group.width,), -1)
    column = torch.zeros_like(row)
    places = torch.from_numpy(group.places)
    row[places] = torch.repeat_interleave(rows, torch.from_numpy(group.lengths))
    column[places] = torch.from_numpy(columns)
    return row.view(group.count, -1), column.view(group.count, -1)


def _mask_between(
    mask: torch.Tensor | None,
    queries: tuple[torch.Tensor, torch.Tensor],
    keys: tuple[torch.Tensor, torch.Tensor],
    *,
    causal: bool,
) -> torch.Tensor:
    row, query, key = queries[0][:, :, None], queries[1][:, :, None], keys[1][:, None, :]
    same = row == keys[0][:, None, :]
    if mask is None:
        return ((same & (key <= query) if causal else same) | (row < 0))[:, None]
    from_row = row.clamp(min=0) if mask.shape[0] > 1 else torch.zeros_like(row)
    from_query = query if mask.shape[2] > 1 else torch.zeros_like(query)
    found = mask[from_row, :, from_query, key].permute(0, 3, 1, 2)
    no, yes = (False, True) if mask.dtype == torch.bool else (torch.finfo(mask.dtype).min, 0)
    return found.masked_fill(~same[:, None], no).masked_fill(row[:, None] < 0, yes)
