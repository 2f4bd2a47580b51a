"""How places come apart for attention, in groups of rows or bins of one width, head by head, and back."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from tritune.training.bins import Bins


class Arrangement(Protocol):
    """Takes a batch's places to groups of rows or bins of one width, each head by itself, and back."""

    @property
    def groups(self) -> Sequence[tuple[int, int]]:
        """Of each group its rows or bins, times heads, and their places."""

    def apart(self, given: torch.Tensor) -> torch.Tensor:
        """Return [places of all groups, width of a head] of [rows, heads, places, width of a head].

        Where nothing is given there may be anything finite.
        """

    def apart_with_zeros(self, given: torch.Tensor) -> torch.Tensor:
        """Return the same, with 0 where nothing is given."""

    def together(self, flat: torch.Tensor) -> torch.Tensor:
        """Return what `apart` was given, 0 where no group has it."""


class Padded:
    """The rows of a padded batch, in one group."""

    def __init__(self, query: torch.Tensor) -> None:
        """Arrange what has the shape of `query`, but for its last dimension."""
        rows, heads, places, _ = self._shape = query.shape
        self.groups = [(rows * heads, places)]

    def apart(self, given: torch.Tensor) -> torch.Tensor:
        return given.reshape(-1, given.shape[-1])

    apart_with_zeros = apart

    def together(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.view(*self._shape[:3], -1)


class RowsByHead:
    """Rows that lie end to end, in bins."""

    def __init__(self, groups: Sequence[Bins], *, heads: int, tokens: int) -> None:
        """Find the places.

        Args:
            groups: of all rows, in the order in which these lie end to end.
            tokens: in all, with fillers.
        """
        self.groups = [(group.count * heads, group.width) for group in groups]
        self._heads, self._tokens = heads, tokens
        to, begun = [], 0
        for group in groups:
            bins, place = np.divmod(group.places, group.width)
            of_head = bins[:, None] * heads + np.arange(heads)
            to.append((begun + of_head * group.width + place[:, None]).ravel())
            begun += group.count * heads * group.width
        places = np.concatenate(to)
        self._count = len(places) // heads
        self._to = torch.from_numpy(places)
        """[tokens times heads] the place of each."""
        given = np.full(begun, -1)
        given[places] = np.arange(len(places))
        self._padding = torch.from_numpy(np.flatnonzero(given < 0))
        self._from = torch.from_numpy(given.clip(min=0))
        """[places of all groups] of each the token, head by head; of padding the first."""

    def apart(self, given: torch.Tensor) -> torch.Tensor:
        """Return [places of all groups, width of a head] of [1, heads, tokens, width of a head]."""
        return given[0].transpose(0, 1).reshape(-1, given.shape[-1]).index_select(0, self._from)

    def apart_with_zeros(self, given: torch.Tensor) -> torch.Tensor:
        """Return the same, with 0 on padding."""
        return self.apart(given).index_fill_(0, self._padding, 0)

    def split(self, given: torch.Tensor) -> list[torch.Tensor]:
        """Return of each group [bins, heads, places, width of a head] of what `apart` takes."""
        parts = self.apart(given).split([count * places for count, places in self.groups])
        return [
            part.view(count // self._heads, self._heads, places, -1)
            for part, (count, places) in zip(parts, self.groups, strict=True)
        ]

    def together(self, flat: torch.Tensor) -> torch.Tensor:
        """Return what `apart` was given; 0 on fillers."""
        found = flat.new_empty(self._tokens, self._heads, flat.shape[-1])
        torch.index_select(flat, 0, self._to, out=found[: self._count].flatten(0, 1))
        found[self._count :] = 0
        return found.transpose(0, 1)[None]

    def together_with_gradients(self, flat: torch.Tensor) -> torch.Tensor:
        """Return the same by steps that autograd knows."""
        found = flat.index_select(0, self._to).unflatten(0, (-1, self._heads))
        fillers = self._tokens - self._count
        return torch.nn.functional.pad(found, (0, 0, 0, 0, 0, fillers)).transpose(0, 1)[None]
