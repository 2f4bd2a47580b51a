"""Functions in the place of modules' own `forward`, on a processor, for the time of a training."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from torch import nn


class StandIns:
    """Stand in for `forward` of some modules of a model, until `remove`."""

    def __init__(
        self,
        model: nn.Module,
        kinds: Collection[type[nn.Module]],
        stand_in: Callable[[Any], Callable[..., Any]],
    ) -> None:
        """Put them in place. On a GPU there are none.

        Args:
            kinds: of the modules, derived ones not among them.
            stand_in: makes a module's.
        """
        on_cpu = next(model.parameters()).device.type == "cpu"
        self._modules: Sequence[nn.Module] = [
            module for module in model.modules() if on_cpu and type(module) in kinds
        ]
        for module in self._modules:
            module.__dict__["forward"] = stand_in(module)

    def remove(self) -> None:
        """Make the model as it was."""
        for module in self._modules:
            module.__dict__.pop("forward", None)
