"""What a model's embeddings and each of its layers give for the tokens of a few rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch

from tritune.compute import mixed_precision
from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import by_tokens, collate

PLACES_AT_ONCE = 2048
"""Tokens and padding of a batch, if no row has more alone: all layers' states of them are held."""

Pick = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From hidden states [rows, longest, width] and which places count [rows, longest] to [n, width]."""


def even_rows(table: TokenTable, at_most: int) -> np.ndarray:
    """Return row numbers spread evenly over a table, all of them where they are no more than `at_most`.

    The longest come first, so that batches hold little padding.
    """
    rows = np.unique(np.linspace(0, table.rows - 1, min(at_most, table.rows)).round().astype(np.int64))
    return rows[np.argsort(-table.lengths[rows], kind="stable")]


def layer_states(
    model: Any,
    table: TokenTable,
    rows: np.ndarray,
    *,
    pick: Pick,
    labelled_only: bool = False,
    pad_token_id: int,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> dict[str, torch.Tensor]:
    """Return what is picked of each height, lowest first: [n, width] float32 on the CPU.

    Heights are `embeddings`, `layer.0` and so on, with `encoder.` or `decoder.` before it where both are;
    those with fewer places than tokens, of models that shorten their rows, are left out. What the last layer
    gives is taken after the norm above it, where transformers reports it so.

    Args:
        model: On any device, in evaluation mode.
        rows: Of the table, 1 or more, the longest first.
        labelled_only: Whether only places with a label count; else all but padding.
        precision: Of the model's matrix products.
    """
    found: dict[str, list[torch.Tensor]] = {}
    # A decoder's logits are of the whole vocabulary, and nobody looks at them here.
    writes = model.get_output_embeddings() is not None and not model.config.is_encoder_decoder
    body = model.base_model if writes else model
    batches = by_tokens(rows, table.lengths[rows], most=PLACES_AT_ONCE, padded=True)
    # In inference mode each batch would cast every weight anew.
    with torch.no_grad(), mixed_precision(model.device, precision):
        for some in batches:
            batch = collate(table, some, pad_token_id=pad_token_id).to(model.device)
            inputs = batch.inputs()
            read = written = batch.attention_mask.bool()
            if labelled_only:
                read = batch.labels != IGNORED
            if hasattr(model, "prepare_decoder_input_ids_from_labels"):
                inputs["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=batch.labels)
                written = batch.labels != IGNORED
            output = body(**inputs, output_hidden_states=True)
            for name, states, counted in _heights(output, read, written):
                found.setdefault(name, []).append(pick(states.float(), counted).cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


def mean_of_row(states: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Pick the mean of each row's states."""
    weights = counted[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def each_nth(step: int) -> Pick:
    """Return what picks every `step`-th of a batch's places that count, its first among them."""
    return lambda states, counted: states[counted][::step]


def _heights(
    output: Any, read: torch.Tensor, written: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    stacks: Sequence[tuple[str, Any, torch.Tensor]] = (
        [("", output.hidden_states, read)]
        if getattr(output, "hidden_states", None) is not None
        else [
            ("encoder.", output.encoder_hidden_states, read),
            ("decoder.", output.decoder_hidden_states, written),
        ]
    )
    for prefix, heights, counted in stacks:
        longest = counted.shape[1]
        for height, states in enumerate(heights):
            if states.shape[1] >= longest:  # block-sparse attention leaves its own padding at the end
                name = f"{prefix}{f'layer.{height - 1}' if height else 'embeddings'}"
                yield name, states[:, :longest], counted
