"""Where the tokens of a padded batch lie when its rows are laid end to end, and the way there and back.

Attention alone has to tell rows apart. For it they are gathered by length, so that a row is not padded to the
longest of the whole batch.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch

PAIRS_PER_GROUP = 4000
"""Pairs of places whose attention costs about as much as one more group does."""


@dataclass(frozen=True)
class Group:
    """Rows of similar length, padded to the longest of them."""

    rows: torch.Tensor
    """[n] their numbers in the batch."""

    width: int


class RowLayout:
    """The rows of one batch end to end, longest first."""

    def __init__(self, lengths: torch.Tensor, *, longest: int, device: torch.device) -> None:
        """Lay out a batch.

        Args:
            lengths: [rows] int64, on the CPU: tokens of each row, from 1 to `longest`.
            longest: places of each row of the padded batch.
            device: of the tensors to come.
        """
        self.rows, self.longest, self.tokens = len(lengths), longest, int(lengths.sum())
        order = torch.argsort(lengths, descending=True, stable=True)
        sizes = lengths[order]
        row = torch.repeat_interleave(order, sizes)
        column = torch.arange(self.tokens) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        self.places = (row * longest + column).to(device, non_blocking=True)
        """[tokens] the place of each token among rows * longest."""
        self.row = row.to(device, non_blocking=True)
        self.column = column.to(device, non_blocking=True)
        cuts = [*group_starts(sizes.tolist()), self.rows]
        self.groups = [
            Group(order[begin:end].to(device, non_blocking=True), int(sizes[begin]))
            for begin, end in pairwise(cuts)
        ]
        self._sizes, self._cuts, self._device = sizes, cuts, device

    @cached_property
    def grouped(self) -> torch.Tensor:
        """[tokens] the place of each token among those of all groups, each with its own padding."""
        starts, begun = [], 0
        for begin, end in pairwise(self._cuts):
            width = int(self._sizes[begin])
            starts.append(begun + torch.arange(end - begin) * width)
            begun += (end - begin) * width
        first = torch.repeat_interleave(torch.cat(starts), self._sizes)
        return first.to(self._device, non_blocking=True) + self.column

    def pack(self, padded: torch.Tensor) -> torch.Tensor:
        """Return [1, tokens, ...] of [rows or 1, longest, ...]; 1: the same for every row."""
        if padded.shape[0] == 1 != self.rows:
            return padded[0].index_select(0, self.column)[None]
        packed: torch.Tensor = _Pack.apply(padded.flatten(0, 1), self.places)
        return packed[None]

    def unpack(self, packed: torch.Tensor) -> torch.Tensor:
        """Return [rows, longest, ...] of [1, tokens, ...]; 0 on padding."""
        return _spread(packed[0], self.places, self.rows * self.longest).unflatten(0, (self.rows, -1))

    def split(self, packed: torch.Tensor) -> list[torch.Tensor]:
        """Return for each group [n, width, ...] of [1, tokens, ...]; 0 on padding."""
        sizes = [len(group.rows) * group.width for group in self.groups]
        padded = _spread(packed[0], self.grouped, sum(sizes))
        parts = torch.split(padded, sizes)
        return [p.unflatten(0, (-1, group.width)) for p, group in zip(parts, self.groups, strict=True)]

    def join(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Return [1, tokens, ...] of what `split` gives."""
        packed: torch.Tensor = _Pack.apply(torch.cat([part.flatten(0, 1) for part in parts]), self.grouped)
        return packed[None]


def group_starts(lengths: list[int]) -> list[int]:
    """Return at which rows a new group begins, 0 first.

    Args:
        lengths: of each row, longest first.
    """
    starts, padding = [0], 0
    for position, length in enumerate(lengths):
        padding += lengths[starts[-1]] ** 2 - length**2
        if padding > PAIRS_PER_GROUP:
            starts.append(position)
            padding = 0
    return starts


def _spread(tokens: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    return tokens.new_zeros(size, *tokens.shape[1:]).index_copy(0, places, tokens)


class _Pack(torch.autograd.Function):
    """`padded[places]`, whose gradient need not add up: no two places are the same."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(padded)
        return padded.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (places,) = ctx.saved_tensors
        return _spread(gradients[0], places, ctx.size), None
