"""What every objective has to tell the training loop, which itself knows of no task."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import Batch


class Objective(Protocol):
    """One way to train and to ask a model."""

    name: str
    """As in tokens.json."""

    auto_class: str
    """transformers' class that builds the model: `AutoModelForSequenceClassification`."""

    def config(self, labels: Sequence[str]) -> Mapping[str, Any]:
        """Return what goes into the model's config: the names of the classes and the like."""

    def items(self, table: TokenTable) -> np.ndarray:
        """Return [rows] int64: how many terms of the loss each row has; the loss is their mean."""

    def loss_sum(self, model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
        """Run the model and return the sum of the loss over the batch's terms, in nats, as a scalar."""

    def outputs(self, model: nn.Module, batch: Batch) -> list[torch.Tensor]:
        """Run the model and return, for each row of the batch, [n, k] float32: what scoring needs of it.

        n and k are the objective's: classes of a text are [1, classes], tags of its tokens [tokens, tags].
        """

    def mean_loss(self, outputs: Outputs, table: TokenTable) -> float:
        """Return the mean loss of a table's rows, in nats, 0 or more, without label smoothing."""
