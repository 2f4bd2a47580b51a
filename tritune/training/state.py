"""Where a training stands: all that its next step depends on, besides the data and the settings.

The random numbers of a step are drawn from (seed, step), and the order of an epoch from (seed, epoch), so
that neither a generator's state nor a position has to be kept.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim import AdamW

from tritune.errors import InputError
from tritune.training.sharding import own_part


@dataclass
class TrainingState:
    """Lives and changes while the training runs."""

    model: nn.Module
    optimizer: AdamW

    step: int = 0
    """Optimizer steps taken. At an epoch's last step, its evaluation is behind us too."""

    loss_sum: torch.Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    """Sum of the loss over the terms seen in the present epoch, on the model's device."""

    first_bad_step: torch.Tensor = field(default_factory=lambda: torch.full((), -1, dtype=torch.int64))
    """First step whose loss was not a finite number; -1 while there is none."""

    history: list[dict[str, float]] = field(default_factory=list)
    """One row per finished epoch: epoch (from 1), step, learning_rate, losses, validation scores."""

    loss_parts: list[dict[str, list[float]]] = field(default_factory=list)
    """Beside each row of the history: parts that add up to its losses; see `tritune.training.loss_parts`."""

    best_epoch: int = 0
    """From 1; 0 before the first evaluation."""

    best_score: float = float("nan")

    best_weights: dict[str, torch.Tensor] | None = None
    """What learns, as it was after the best epoch, on the CPU. None: the present weights are the best."""

    stopped: bool = False
    """The training has ended: all steps are done, or patience is."""

    def learning_weights(self) -> dict[str, torch.Tensor]:
        """Return the parameters in the optimizer by name: the live tensors, not copies.

        Of a sharded model they are this process's parts.
        """
        learning = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return {n: own_part(p.detach()) for n, p in self.model.named_parameters() if id(p) in learning}

    def raise_if_not_finite(self) -> None:
        """Raise when a loss so far was not a finite number. On a GPU this waits for it.

        Raises:
            InputError: it names the step.
        """
        bad = int(self.first_bad_step.item())
        if bad >= 0:
            peak = max(group["peak_lr"] for group in self.optimizer.param_groups)
            raise InputError(
                f"the training loss is not a finite number at step {bad + 1} (highest peak learning rate "
                f"{peak:.3g}); set a lower lr for this method in params.yaml, for example {peak / 10:.1g}"
            )
