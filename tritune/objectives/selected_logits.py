"""A model's logits at chosen places only: a vocabulary's worth of numbers nowhere else.

Most places of a dialogue are read, not written, and logits there would cost more memory than all the rest. So
the chosen places are picked out of what the output layer reads, inside the model's own forward pass: whatever
an architecture does before that layer (T5 scales) or after it (Gemma caps, Granite divides) stays its own.
That is exact where each place's logits depend on that place alone, which is tried once for every model.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from tritune.models.modes import evaluating
from tritune.models.same_outputs import same_outputs

_SELECTS: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()

LOGITS_AT_ONCE = 64 * 2**20
"""Numbers: 256 MiB in float32. Their gradient and the softmax take as much again, each."""

TRIED_ROWS, TRIED_PLACES = 2, 12


def selected_logits(
    model: nn.Module, inputs: Mapping[str, torch.Tensor], places: torch.Tensor
) -> torch.Tensor:
    """Return [chosen, vocabulary] in the model's own precision, row by row.

    Args:
        model: of transformers, with `get_output_embeddings` and an output that has `.logits`.
        inputs: the model's arguments by name. Each is [rows, length of its own].
        places: [rows, places] bool: which are wanted; for an encoder-decoder, of the decoder's.
    """
    if model not in _SELECTS:
        _SELECTS[model] = _is_exact(model, inputs)
    return _inside(model, inputs, places) if _SELECTS[model] else _after(model, inputs, places)


def places_at_once(model: Any) -> int | None:
    """Return at how many places logits may be in memory together; None for a model that writes no text."""
    find = getattr(model, "get_output_embeddings", None)
    head = find() if find is not None else None
    return None if head is None else max(1, LOGITS_AT_ONCE // int(head.weight.shape[0]))


def _inside(model: Any, inputs: Mapping[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
    def choose(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (arguments[0][places][None],)

    hook = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        return _logits(model, inputs)[0]
    finally:
        hook.remove()


def _after(model: nn.Module, inputs: Mapping[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
    return _logits(model, inputs)[places]


def _logits(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    # What earlier tokens left behind is for writing on; here it would only be kept.
    logits: torch.Tensor = model(**inputs, use_cache=False).logits
    return logits


def _is_exact(model: Any, inputs: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether both ways agree on a corner of these inputs, in evaluation mode and full precision."""
    head = model.get_output_embeddings()
    if head is None:
        return False
    corner = {name: values[:TRIED_ROWS, :TRIED_PLACES] for name, values in inputs.items()}
    written = corner.get("decoder_input_ids", corner.get("input_ids"))
    if written is None:
        return False
    places = torch.arange(written.numel(), device=written.device).reshape(written.shape) % 3 != 1
    with evaluating(model), torch.no_grad(), torch.autocast(written.device.type, enabled=False):
        expected = _after(model, corner, places)
        try:
            chosen = _inside(model, corner, places)
        except (IndexError, TypeError, RuntimeError):
            return False  # the layer is given something else than [rows, places, width]
    return same_outputs(chosen, expected)
