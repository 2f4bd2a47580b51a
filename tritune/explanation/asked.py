"""One thing that a model said of an input, and how to ask for it again: what an explanation starts from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from tritune.explanation.read_words import ReadWord
from tritune.models.finetuned import FineTuned
from tritune.tokenizing import TextTokenizer


@dataclass(frozen=True)
class Asked:
    """A label, an entity, an answer or a reply, as a number that the input's words can account for.

    The row has one input; functions of the model's output take any number of rows that differ in what
    stands in the words' places.
    """

    said: Mapping[str, Any]
    """The answer in the task's own terms, fit for JSON: `{"label": "billing", "probability": 0.9}`."""

    inputs: Mapping[str, torch.Tensor]
    """What the model reads, by the names of its arguments, each [1, n]; `input_ids` among them."""

    words: Sequence[ReadWord]
    """Of `input_ids`, 1 or more. Special tokens and a prompt's own words are not among them."""

    score_name: str
    """What `score` is, for a person: `log-odds of the label`."""

    score: Callable[[Any], torch.Tensor]
    """From the model's output to [rows]: what is attributed to the words. Higher: surer of the answer."""

    probability: Callable[[Any], torch.Tensor]
    """From the model's output to [rows] in [0, 1]: how sure it is of this very answer."""

    answered_at: Sequence[int]
    """Places of the row whose states the answer is read from, 1 or more."""

    unread: Sequence[str] = ()
    """What of the input had no part in this, a sentence each."""


class OfTuned:
    """The model and the tokenizer of an `Answerer` that loaded a fine-tuned model with its head."""

    _tuned: FineTuned
    _tokenizer: TextTokenizer

    @property
    def model(self) -> Any:
        return self._tuned.model

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer.tokenizer


class Explainer(Protocol):
    """A loaded model of a task: `Explainer(folder, device=...)` of `tritune/task/TASK/explain.py`."""

    model: Any
    """Of transformers, in evaluation mode, on the device."""

    tokenizer: Any
    """Of transformers."""

    def __init__(self, folder: Path, *, device: torch.device) -> None: ...

    def asked(self, given: Mapping[str, Any], name: str) -> Sequence[Asked]:
        """Return what the model says of one input, each thing by itself; none where it finds nothing.

        Args:
            given: The model's inputs by their names.
            name: What an error calls it.

        Raises:
            InputError: The input can't be answered.
        """
