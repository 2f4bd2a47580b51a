"""Where the tokens of a padded batch lie when its rows are laid end to end, and the way there and back.

Attention alone has to tell rows apart. Where it can't be told where they begin, they lie in bins for it, or
are gathered by length, so that a row is not padded to the longest of the whole batch.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch

from tritune.training.arrangement import RowsByHead
from tritune.training.bins import Bins, bins_of, rounded_up
from tritune.training.transfer import put_into, to_device

PAIRS_PER_GROUP = 4000
"""Pairs of places whose attention costs about as much as one more group does."""


@dataclass(frozen=True)
class Group:
    """Rows of similar length, padded to the longest of them."""

    rows: torch.Tensor
    """[n] their numbers in the batch."""

    sizes: torch.Tensor
    """[n] tokens of each."""

    width: int


class RowLayout:
    """The rows of one batch end to end, longest first."""

    def __init__(
        self,
        lengths: torch.Tensor,
        *,
        longest: int,
        device: torch.device,
        tokens: int | None = None,
    ) -> None:
        """Lay out a batch.

        Args:
            lengths: [rows] int64, on the CPU: tokens of each row, from 1 to `longest`.
            longest: places of each row of the padded batch.
            device: of the tensors to come.
            tokens: as many as there are to be, or more: after the rows comes one of fillers, which are in no
                padded batch; and bins have few sizes. None: neither.
        """
        self.rows, self.longest = len(lengths), longest
        self._by_head: dict[int, RowsByHead] = {}
        self.tokens = int(lengths.sum()) if tokens is None else tokens
        self.few_sizes = tokens is not None
        """Whether bins have few sizes, and fillers come after the rows."""
        flat, starts = self._indices(lengths)
        self._flat, self.starts = to_device(flat, device), to_device(starts, device)
        """`starts`: [rows + 1, or + 2 with fillers] int32: at which token each row begins, and where the last
        one ends."""
        sizes = (self.tokens, self.tokens, self.rows, self.rows, self.rows * longest)
        self.places, self.column, self._order, self._sizes, self._token_at = self._flat.split(sizes)
        """`places`: [tokens] the place of each token among rows * longest; of fillers the one beyond."""

    def put(self, lengths: torch.Tensor) -> None:
        """Lay out another batch of as many rows and places in the tensors that are there.

        Args:
            lengths: as in `__init__`, no more tokens in all than there are.
        """
        flat, starts = self._indices(lengths)
        put_into(self._flat, flat)
        put_into(self.starts, starts)
        for name in ("_cuts", "groups", "grouped", "bins"):
            self.__dict__.pop(name, None)
        self._by_head.clear()

    def _indices(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what goes into `_flat` (the names that it is split into tell) and `starts`, on the CPU."""
        order = torch.argsort(lengths, descending=True, stable=True)
        sizes = self._lengths = lengths[order]
        ends = sizes.cumsum(0)
        count = self._count = int(ends[-1])
        row = torch.repeat_interleave(order, sizes)
        column = torch.arange(count) - torch.repeat_interleave(ends - sizes, sizes)
        fillers = self.tokens - count
        self.even = count == self.rows * self.longest
        """Whether no place is padding."""
        places = torch.cat(
            [row * self.longest + column, torch.full((fillers,), self.rows * self.longest, dtype=torch.int64)]
        )
        column = torch.cat([column, torch.zeros(fillers, dtype=torch.int64)])
        starts = [torch.zeros(1, dtype=torch.int64), ends]
        if self.few_sizes:
            starts.append(torch.tensor([self.tokens]))
        token_at = torch.full((self.rows * self.longest,), self.tokens)
        token_at[places[:count]] = torch.arange(count)
        return torch.cat([places, column, order, sizes, token_at]), torch.cat(starts).int()

    @cached_property
    def _cuts(self) -> list[int]:
        return [*group_starts(self._lengths.tolist()), self.rows]

    @cached_property
    def groups(self) -> list[Group]:
        """The rows by length."""
        return [
            Group(self._order[begin:end], self._sizes[begin:end], int(self._lengths[begin]))
            for begin, end in pairwise(self._cuts)
        ]

    @cached_property
    def grouped(self) -> torch.Tensor:
        """[tokens] the place of each token among those of all groups, each with its own padding."""
        starts, begun = [], 0
        for begin, end in pairwise(self._cuts):
            width = int(self._lengths[begin])
            starts.append(begun + torch.arange(end - begin) * width)
            begun += (end - begin) * width
        first = torch.repeat_interleave(torch.cat(starts), self._lengths)
        own = self.column[: len(first)]  # fillers are in no group
        return first.to(own.device, non_blocking=True) + own

    @cached_property
    def bins(self) -> list[Bins]:
        """The rows by length, several in one bin. On a processor."""
        return bins_of(self._lengths.tolist(), few_sizes=self.few_sizes)

    def by_head(self, heads: int) -> RowsByHead:
        """Return how the rows come apart for attention, each head by itself. On a processor."""
        if heads not in self._by_head:
            self._by_head[heads] = RowsByHead(self.bins, heads=heads, tokens=self.tokens)
        return self._by_head[heads]

    @property
    def row_numbers(self) -> torch.Tensor:
        """[rows] the number in the batch of each, longest first."""
        return self._order

    def pack(self, padded: torch.Tensor) -> torch.Tensor:
        """Return [1, tokens, ...] of [rows or 1, longest, ...]; 1: the same for every row."""
        if padded.shape[0] == 1 != self.rows:
            return padded[0].index_select(0, self.column)[None]
        flat = padded.flatten(0, 1)
        packed: torch.Tensor = (
            _Gathered.apply(flat, self.places, self._token_at)
            if flat.is_cuda
            else _Pack.apply(flat, self.places[: self._count], self.tokens)
        )
        return packed

    def unpack(self, packed: torch.Tensor) -> torch.Tensor:
        """Return [rows, longest, ...] of [1, tokens, ...]; 0 on padding."""
        if packed.is_cuda:
            padded: torch.Tensor = _Gathered.apply(packed[0], self._token_at, self.places)[0]
            return padded.unflatten(0, (self.rows, -1))
        return self.spread(packed[0], self.places[: self._count])

    def spread(self, tokens: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return [rows, longest, ...]: each token at its place among rows * longest, 0 elsewhere.

        Args:
            tokens: [n, ...]; of the last ones, which have no place, nothing is taken.
            places: [n or fewer] int64.
        """
        padded: torch.Tensor = _Spread.apply(tokens, places, self.rows * self.longest)
        return padded.unflatten(0, (self.rows, -1))

    def split(self, packed: torch.Tensor) -> list[torch.Tensor]:
        """Return for each group [n, width, ...] of [1, tokens, ...]; 0 on padding."""
        sizes = [len(group.rows) * group.width for group in self.groups]
        padded: torch.Tensor = _Spread.apply(packed[0], self.grouped, sum(sizes))
        parts = torch.split(padded, sizes)
        return [p.unflatten(0, (-1, group.width)) for p, group in zip(parts, self.groups, strict=True)]

    def join(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Return [1, tokens, ...] of what `split` gives; 0 on fillers."""
        joined = torch.cat([part.flatten(0, 1) for part in parts])
        packed: torch.Tensor = _Pack.apply(joined, self.grouped, self.tokens)
        return packed


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


def few_counts(tokens: int) -> int:
    """Return how many tokens run with the fillers, where counts are to be few."""
    return rounded_up(tokens, least=16, between_powers=8)


class _Spread(torch.autograd.Function):
    """[size, ...], each token at its place, the last ones, which have none, nowhere; 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, tokens: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.count = len(tokens)
        return _written(tokens, places, size)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        found = gradients[0].new_empty(ctx.count, *gradients[0].shape[1:])
        _read_into(found, gradients[0], places)
        return found, None, None


class _Pack(torch.autograd.Function):
    """[1, count, ...]: what is at the places, then zeros. All places are different: no gradients add up."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, places: torch.Tensor, count: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(padded)
        found = padded.new_empty(1, count, *padded.shape[1:])
        _read_into(found[0], padded, places)
        return found  # no view, so that whoever gets it may write into it

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return _written(gradients[0][0], places, ctx.size), None, None


def _written(tokens: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    # In place, into zeros that nobody else has: torch would copy them first.
    return tokens.new_zeros(size, *tokens.shape[1:]).index_copy_(0, places, tokens[: len(places)])


def _read_into(found: torch.Tensor, given: torch.Tensor, places: torch.Tensor) -> None:
    torch.index_select(given, 0, places, out=found[: len(places)])
    found[len(places) :] = 0


class _Gathered(torch.autograd.Function):
    """`given[None, places]`, 0 where a place is beyond what is given.

    For a GPU, where writing to places takes a detour if it is to be deterministic.
    """

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, places: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(back)
        return _gather(given, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return _gather(gradients[0][0], back)[0], None, None


def _gather(given: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    found = given[None].index_select(1, places.clamp(max=len(given) - 1))
    beyond = (places >= len(given)).view(1, -1, *[1] * (given.ndim - 1))
    return found.masked_fill_(beyond, 0)
