"""The model's mask as attention needs it: each group's corner, what that adds to scores, or none."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from tritune.training.attention import bias_of
from tritune.training.row_layout import Group


class GroupMasks:
    """What layers ask for of one batch's masks, each found once: all layers are given the same."""

    def __init__(self) -> None:
        self._masks: dict[int, tuple[torch.Tensor, Sequence[torch.Tensor]]] = {}
        self._biases: dict[
            tuple[int, torch.dtype, bool], tuple[torch.Tensor | None, Sequence[torch.Tensor | None]]
        ] = {}

    def masks(self, mask: torch.Tensor | None, groups: Sequence[Group]) -> Sequence[torch.Tensor | None]:
        """Return the mask of each group of rows of one for all, [rows or 1, ..., longest, longest]."""
        if mask is None:
            return [None] * len(groups)
        if id(mask) not in self._masks:
            found = []
            for group in groups:
                part = mask[..., : group.width, : group.width]
                part = part if len(part) == 1 else part.index_select(0, group.rows)
                found.append(_widened(part, group.width))
            self._masks[id(mask)] = mask, found
        return self._masks[id(mask)][1]

    def biases(
        self, mask: torch.Tensor | None, groups: Sequence[Group], precision: torch.dtype, *, causal: bool
    ) -> Sequence[torch.Tensor | None]:
        """Return what is added to the scores of each group; see `bias_of`."""
        key = id(mask), precision, causal
        if key not in self._biases:
            found = [
                bias_of(each, group.width, precision, causal=causal)
                for each, group in zip(self.masks(mask, groups), groups, strict=True)
            ]
            self._biases[key] = mask, found
        return self._biases[key][1]

    def clear(self) -> None:
        """Begin another batch."""
        self._masks.clear()
        self._biases.clear()


def without_mask(
    layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a layer's arguments with None for its mask."""
    if "attention_mask" in named:
        return arguments, {**named, "attention_mask": None}
    place = _place_of_mask(type(layer).forward)
    if place is None or place >= len(arguments):
        return arguments, named
    return (*arguments[:place], None, *arguments[place + 1 :]), named


@cache
def _place_of_mask(forward: Callable[..., Any]) -> int | None:
    """Return where among its arguments, itself left out, a layer takes its mask."""
    names = list(inspect.signature(forward).parameters)[1:]
    return names.index("attention_mask") if "attention_mask" in names else None


def _widened(mask: torch.Tensor, width: int) -> torch.Tensor:
    """Return a mask for rows of `width` places, of which those that it lacks must not be looked at."""
    missing = width - mask.shape[-1]
    if not missing:
        return mask
    no = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
    return torch.nn.functional.pad(mask, (0, missing, 0, missing if mask.shape[-2] > 1 else 0), value=no)
