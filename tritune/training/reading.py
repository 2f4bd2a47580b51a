"""The top layer for those tokens alone that are read above it: a classifier looks at one token of each row.

Keys and values are needed of all tokens, all else that the layer computes of the read ones only. Nothing that
is left out has any part in the loss, so the gradients are the same. The layer runs twice: on all tokens until
its attention is asked, which keeps keys and values, then on the read ones as a whole.
"""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from tritune.training.arrangement import RowsByHead
from tritune.training.bins import MOST_ROWS, Bins, rounded_up
from tritune.training.row_layout import RowLayout

Place = Literal["first", "last"]
"""Of a row's tokens the one that is read."""

PLACES: tuple[Place, ...] = ("first", "last")

FEWEST_READ = 32
"""Tokens that the top layer runs for at least, where its products are to have few sizes."""


def place_in(
    place: Place | None, input_ids: torch.Tensor | None, lengths: torch.Tensor | None, *, pad_token_id: int
) -> Place | None:
    """Return which token of each row of one batch is read; None: not the same of all.

    Decoders read the last that is not what pads: an end of text that pads as well is passed over.

    Args:
        place: where it is in rows that end otherwise.
        input_ids: [rows, longest].
        lengths: [rows, 1].
    """
    if place != "last":
        return place
    if input_ids is None or lengths is None:
        return None
    ends = input_ids.gather(1, lengths.to(input_ids.device) - 1)
    return None if bool((ends == pad_token_id).any()) else place


class KeysFound(Exception):
    """Keys and values of all tokens are there; the rest of the layer need not run on them."""


class Reading:
    """What the top layer is asked about one batch."""

    def __init__(self, place: Place, layout: RowLayout) -> None:
        """Begin with the layer.

        Args:
            layout: of the batch, on a processor.
        """
        self.place, self.layout = place, layout
        rows = layout.rows
        read = layout.starts[:rows] if place == "first" else layout.starts[1 : rows + 1] - 1
        count = rounded_up(rows, least=FEWEST_READ, between_powers=2) if layout.few_sizes else rows
        self.tokens = torch.cat([read, read.new_zeros(count - rows)]).long()
        """[rows or more] those that are read, in the order in which rows lie end to end, then fillers."""
        self.keys_and_values: tuple[torch.Tensor, torch.Tensor] | None = None
        """Of all tokens, each [1, heads, tokens, width of a head]."""
        self._by_head: dict[int, RowsByHead] = {}

    def keep_keys(self, layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Run the layer on all tokens until its attention hands over keys and values.

        Raises:
            ValueError: the layer has no attention of its own that does.
        """
        try:
            type(layer).forward(layer, *arguments, **named)
        except KeysFound:
            return
        raise ValueError("the layer asks no attention")

    def of(self, given: Any) -> Any:
        """Return [1, read, ...] of [1, tokens, ...], or of each of several."""
        return tuple(map(self.of, given)) if isinstance(given, tuple) else given.index_select(1, self.tokens)

    @cached_property
    def slots(self) -> list[Bins]:
        """The read tokens, by bins of their rows' keys: one slot for each row in a bin."""
        return [_slots_of(group) for group in self.layout.bins]

    def by_head(self, heads: int) -> RowsByHead:
        """Return how the read tokens come apart for attention, each head by itself."""
        if heads not in self._by_head:
            self._by_head[heads] = RowsByHead(self.slots, heads=heads, tokens=len(self.tokens))
        return self._by_head[heads]

    def columns(self, group: Bins) -> np.ndarray:
        """Return [rows of the group] the place in its row of each read token."""
        return np.zeros_like(group.lengths) if self.place == "first" else group.lengths - 1

    def put_back(self, output: torch.Tensor) -> torch.Tensor:
        """Return hidden states as what is above takes them.

        Where the first place is read there is no other: [rows, 1, width]. Else [rows, longest, width], 0
        where nobody reads.

        Args:
            output: [1, read, width], what the layer gave for the read tokens.
        """
        layout = self.layout
        if self.place == "first":
            return output[0].index_select(0, torch.argsort(layout.row_numbers))[:, None]
        return layout.spread(output[0], layout.places[self.tokens[: layout.rows]])


def _slots_of(group: Bins) -> Bins:
    slots = np.zeros_like(group.bins)
    filled: dict[int, int] = {}
    for row, number in enumerate(group.bins.tolist()):
        slots[row] = filled.get(number, 0)
        filled[number] = int(slots[row]) + 1
    return Bins(MOST_ROWS, group.count, np.ones_like(group.lengths), group.bins, slots)
