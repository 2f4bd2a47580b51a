"""What a model gives for every row of a token table."""

from typing import Literal

import numpy as np
import torch
from torch import nn

from tritune.compute import mixed_precision
from tritune.models.modes import evaluating
from tritune.objectives.objective import Objective
from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.batches import by_tokens, collate, pieces
from tritune.training.processes import ALONE, Processes

TIMES_AT_ONCE = 2
"""Of a batch, where no padding runs: a pass without a way back keeps little, and each has its cost."""


def model_outputs(
    model: nn.Module,
    table: TokenTable,
    *,
    objective: Objective,
    pad_token_id: int,
    batch_size: int = 64,
    device: torch.device | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    rows: np.ndarray | None = None,
    processes: Processes = ALONE,
) -> Outputs:
    """Return what `objective.outputs` reads from the model for each row, in the table's order.

    Rows are run longest first, so that batches hold little padding and a lack of memory shows at once. The
    model is left in the mode (training or evaluation, module by module) in which it was.

    Args:
        model: already on `device`.
        batch_size: rows at a time; where no padding runs through the layers, twice as many of mean length.
            Changes the outputs by rounding only.
        device: CPU if left out.
        precision: of the matrix products.
        rows: [n] numbers of the rows to ask, whose outputs come in this order; all of them if left out.
        processes: that share the rows. Each of them gets all outputs. Those of a sharded model all run all
            rows: how often an objective asks the model depends on them, and all have to ask equally often.
    """
    device = device or torch.device("cpu")
    chosen = np.arange(table.rows) if rows is None else rows
    lengths = table.lengths[chosen]
    order = np.argsort(-lengths, kind="stable")
    if table.packed and len(order):
        batches = by_tokens(order, lengths[order], most=round(TIMES_AT_ONCE * batch_size * lengths.mean()))
        todo = [piece for places in batches for piece in pieces(places, lengths[places], packed=True)]
    else:
        todo = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    sharing = ALONE if processes.sharded else processes
    own: dict[int, np.ndarray] = {}
    with (
        evaluating(model),
        torch.no_grad(),  # in inference mode autocast would cast every weight anew for every piece
        mixed_precision(device, precision, keep_casts=not processes.sharded),
    ):
        for piece in todo[sharing.number :: sharing.count]:
            batch = collate(table, chosen[piece], pad_token_id=pad_token_id).to(device)
            parts = objective.outputs(model, batch)
            # One way from the device for all of them.
            ends = np.cumsum([len(part) for part in parts])[:-1]
            outputs = np.split(torch.cat(parts).cpu().numpy(), ends)
            own.update(zip(piece.tolist(), outputs, strict=True))
    of_all = {place: output for each in sharing.gathered(own) for place, output in each.items()}
    found = [of_all[place] for place in range(len(chosen))]
    if not found:
        return Outputs(np.zeros((0, 0), dtype=np.float32), np.zeros(1, dtype=np.int64))
    return Outputs(np.concatenate(found), np.cumsum([0, *map(len, found)], dtype=np.int64))
