"""Read, then write: an encoder-decoder's cross entropy over the tokens of the text that it is to write."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tritune.objectives.written_tokens import written_loss_sum, written_mean_loss, written_outputs
from tritune.outputs import Outputs
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import Batch

name = "sequence_to_sequence"
auto_class = "AutoModelForSeq2SeqLM"


def config(labels: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG001
    return {}


def items(table: TokenTable) -> np.ndarray:
    """Return [rows] int64: the tokens that each row is to write, its end-of-sequence token among them."""
    assert table.label_offsets is not None
    counted = np.concatenate([[0], np.cumsum(table.labels != IGNORED)])
    return np.diff(counted[table.label_offsets])


def loss_sum(model: nn.Module, batch: Batch, *, label_smoothing: float) -> torch.Tensor:
    places = batch.labels != IGNORED
    return written_loss_sum(
        model, _inputs(model, batch), batch.labels, places, label_smoothing=label_smoothing
    )


def outputs(model: nn.Module, batch: Batch) -> list[torch.Tensor]:
    """Return, for each row, [1, 2]: the sum of its loss in nats, and the number of its tokens to write."""
    return written_outputs(model, _inputs(model, batch), batch.labels, batch.labels != IGNORED)


def mean_loss(outputs: Outputs, table: TokenTable) -> float:  # noqa: ARG001
    return written_mean_loss(outputs)


def _inputs(model: Any, batch: Batch) -> dict[str, torch.Tensor]:
    """Return what both halves read: the decoder its own answer, one place later, after its start token."""
    written = _one_later(model, batch.labels)
    # Padding lies after all that is written, where no earlier place looks.
    return {
        **batch.inputs(),
        "decoder_input_ids": written,
        "decoder_attention_mask": torch.ones_like(written),
    }


def _one_later(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """Return what stands before each label: the start token, then the labels but the last."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        own: torch.Tensor = model.prepare_decoder_input_ids_from_labels(labels=labels)
        return own
    first = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
    shifted = torch.cat([first, labels[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == IGNORED, model.config.pad_token_id)
