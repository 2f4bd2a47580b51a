"""A model run with other vectors in the place of the embeddings of its tokens, and all else as it is.

The ids stay, so that a model which looks at them (for the last token, for its positions) sees what it saw.
The vectors are put in where the matrix is looked up, so that what an architecture does with them after that
stays its own. An encoder-decoder that classifies reads the text twice, the second time one place later: then
the same vectors stand there, one place later.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def embeddings_of(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return what the model looks up for these ids, [rows, n, width]."""
    with torch.no_grad():
        found: torch.Tensor = _look_ups(model)[-1](input_ids)
    return found


def run_with(model: Any, inputs: Mapping[str, torch.Tensor], vectors: torch.Tensor) -> Any:
    """Return the model's output where `vectors` stand in the places of `input_ids`.

    Args:
        inputs: Each [1, n of its own]; the same for all rows.
        vectors: [rows, n of input_ids, width].
    """
    rows = {name: value.expand(len(vectors), -1) for name, value in inputs.items()}
    with _replaced(model, rows, vectors):
        return model(**rows)


@contextmanager
def _replaced(model: Any, rows: Mapping[str, torch.Tensor], vectors: torch.Tensor) -> Iterator[None]:
    ids = rows["input_ids"]
    seen: list[bool] = []

    def replace(_: nn.Module, arguments: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        (looked_up,) = arguments
        if not seen and torch.equal(looked_up, ids):
            seen.append(True)
            return vectors
        if "decoder_input_ids" not in rows and torch.equal(looked_up[:, 1:], ids[:, :-1]):
            return torch.cat([output[:, :1], vectors[:, :-1]], dim=1)
        return output

    hooks = [module.register_forward_hook(replace) for module in _look_ups(model)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _look_ups(model: Any) -> list[nn.Embedding]:
    """Return all modules that look up in the matrix of the model's tokens."""
    matrix = model.get_input_embeddings().weight
    return [
        module for module in model.modules() if isinstance(module, nn.Embedding) and module.weight is matrix
    ]
