"""What a model answers for every row of a token table."""

from typing import Literal

import numpy as np
import torch
from torch import nn

from tritune.tokens import TokenTable
from tritune.training.batches import collate


def predict_logits(
    model: nn.Module,
    table: TokenTable,
    *,
    pad_token_id: int,
    batch_size: int = 64,
    device: torch.device | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> np.ndarray:
    """Return [rows, classes] float32: the logits of each row, in the table's order.

    Rows are run longest first, so that batches hold little padding and a lack of memory shows at once. The
    model is left in the mode (training or evaluation, module by module) in which it was.

    Args:
        model: gives `.logits` for `input_ids` and `attention_mask`; already on `device`.
        batch_size: rows at a time. Changes logits by rounding only.
        device: CPU if left out.
        precision: of the matrix products.
    """
    device = device or torch.device("cpu")
    order = np.argsort(-table.lengths, kind="stable")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    parts: list[torch.Tensor] = []
    try:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"),
        ):
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                batch = collate(table, rows, pad_token_id=pad_token_id).to(device)
                output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
                parts.append(output.logits.float())
    finally:
        for module, training in modes:
            module.training = training
    if not parts:
        return np.zeros((0, 0), dtype=np.float32)
    logits = torch.cat(parts).cpu().numpy()
    in_table_order: np.ndarray = np.empty_like(logits)
    in_table_order[order] = logits
    return in_table_order


def mean_loss_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross entropy of the right classes, in nats, 0 or more."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))
