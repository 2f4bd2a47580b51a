"""One pass there and back over a few rows, to see whether a model can be trained in some way."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from transformers import PreTrainedModel

from tritune.compute import mixed_precision
from tritune.objectives.objective import Objective
from tritune.tokens import TokenTable
from tritune.training.batches import collate
from tritune.training.prefix_memo import Precision

TRIED_ROWS = 3


def trial_pass(
    model: PreTrainedModel,
    table: TokenTable,
    *,
    objective: Objective,
    precision: Precision,
    pad_token_id: int,
) -> None:
    """Run a model as a step of its training does, and leave nothing behind. Raises whatever that raises.

    Args:
        model: as it will be trained, on its device.
        table: has rows of the kind that the model will be given.
    """
    rows = np.arange(min(TRIED_ROWS, table.rows))
    batch = collate(table, rows, pad_token_id=pad_token_id).to(model.device)
    with _training(model), torch.random.fork_rng():
        with mixed_precision(model.device, precision):
            loss = objective.loss_sum(model, batch, label_smoothing=0.0)
        loss.backward()


@contextmanager
def _training(model: PreTrainedModel) -> Iterator[None]:
    before = model.training
    model.train()
    try:
        yield
    finally:
        model.zero_grad(set_to_none=True)
        model.train(before)


def insist_on_same_bits(
    model: PreTrainedModel,
    table: TokenTable,
    *,
    objective: Objective,
    precision: Precision,
    pad_token_id: int,
) -> bool:
    """Allow only operations that give the same bits each time, if the model can be trained by such alone.

    On a processor nothing else is ever allowed, and nothing is tried. On a GPU some operations have no such
    form.

    Returns:
        Whether it can; where not, the reason is printed.
    """
    if model.device.type == "cpu":
        return True
    torch.use_deterministic_algorithms(True)
    try:
        trial_pass(model, table, objective=objective, precision=precision, pad_token_id=pad_token_id)
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        torch.use_deterministic_algorithms(True, warn_only=True)
        reason = str(error).strip().partition(".")[0]
        print(f"trained again on this GPU, the model will differ in its last bits: {reason}", flush=True)
        return False
    return True
