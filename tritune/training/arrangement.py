"""How a batch's places come apart for attention, in groups of rows of one width, head by head, and back."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch


class Arrangement(Protocol):
    """Takes a batch's places to groups of rows of one width, each head by itself, and back."""

    @property
    def groups(self) -> Sequence[tuple[int, int]]:
        """Of each group its rows, times heads, and their places."""

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
    """Rows that lie end to end, in groups of one width."""

    def __init__(
        self,
        lengths: np.ndarray,
        widths: np.ndarray,
        *,
        groups: Sequence[tuple[int, int]],
        heads: int,
        tokens: int,
    ) -> None:
        """Find the places.

        Args:
            lengths: [rows] tokens of each, which lie end to end.
            widths: [rows] places of each in its group.
            groups: of each its rows times heads, and their places.
            tokens: in all, with fillers.
        """
        self.groups = groups
        self._heads, self._tokens, self._count = heads, tokens, int(lengths.sum())
        begins, places = np.cumsum(lengths) - lengths, np.repeat(widths, heads)
        first = (begins[:, None] * heads + np.arange(heads)).ravel()
        starts = np.cumsum(places) - places
        column = np.arange(places.sum()) - np.repeat(starts, places)
        last = np.repeat(np.repeat(lengths, heads) - 1, places)
        self._from = torch.from_numpy(np.repeat(first, places) + np.minimum(column, last) * heads)
        """[places of all groups] of each the token, head by head; padding repeats a row's last one."""
        self._padding = torch.from_numpy(np.flatnonzero(column > last))
        to = np.repeat(starts.reshape(-1, heads), lengths, axis=0)
        to += (np.arange(self._count) - np.repeat(begins, lengths))[:, None]
        self._to = torch.from_numpy(to.ravel())
        """[tokens times heads] the place of each."""

    def apart(self, given: torch.Tensor) -> torch.Tensor:
        """Return [places of all groups, width of a head] of [1, heads, tokens, width of a head]."""
        return given[0].transpose(0, 1).reshape(-1, given.shape[-1]).index_select(0, self._from)

    def apart_with_zeros(self, given: torch.Tensor) -> torch.Tensor:
        """Return the same, with 0 on padding."""
        return self.apart(given).index_fill_(0, self._padding, 0)

    def together(self, flat: torch.Tensor) -> torch.Tensor:
        """Return what `apart` was given; 0 on fillers."""
        found = flat.new_empty(self._tokens, self._heads, flat.shape[-1])
        torch.index_select(flat, 0, self._to, out=found[: self._count].flatten(0, 1))
        found[self._count :] = 0
        return found.transpose(0, 1)[None]
