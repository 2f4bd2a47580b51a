"""What a layer of transformers is given, by place or by name: its hidden states, its mask."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn


def hidden_of(arguments: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor:
    """Return the hidden states that a layer is given."""
    hidden: torch.Tensor = arguments[0] if arguments else named["hidden_states"]
    return hidden


def with_hidden(
    arguments: tuple[Any, ...], named: dict[str, Any], hidden: torch.Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a layer's arguments with others."""
    if arguments:
        return (hidden, *arguments[1:]), named
    return arguments, {**named, "hidden_states": hidden}


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
