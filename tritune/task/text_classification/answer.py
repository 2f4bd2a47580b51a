"""Labels for new texts, by a fine-tuned classifier: what training did to its texts is done to these."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from tritune.inference import model_outputs
from tritune.metrics.classification import softmax
from tritune.metrics.multi_label import THRESHOLD, sigmoid
from tritune.metrics.temperature import TEMPERATURE
from tritune.models.classes import purpose
from tritune.models.finetuned import load_finetuned
from tritune.task.contract import DECIDED
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import TokenTable
from tritune.truncation import Keep


class Answerer:
    """A loaded classifier with its tokenizer."""

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        """Load both.

        Raises:
            InputError: The folder holds no fine-tuned classifier, or no usable tokenizer.
        """
        # The tokenizer's own limit is the length at which training cut its texts.
        self._tokenizer = load_tokenizer(folder, max_length=NO_LIMIT)
        self._keep: Keep = purpose(folder).answering.get("truncation", "head")
        self._tuned = load_finetuned(folder)
        decided = folder / DECIDED
        self._temperature = (
            float(json.loads(decided.read_text(encoding="utf-8"))[TEMPERATURE]) if decided.is_file() else 1.0
        )
        self._device = device
        self._tuned.model.to(device)

    def answer(
        self, inputs: Sequence[Mapping[str, Any]], *, batch_size: int, ids: Sequence[str], everything: bool
    ) -> list[Mapping[str, Any]]:
        """Return `label` and `probability` of each `text`, and on request `probabilities` by label.

        Where a text may have several labels: `labels`, the list of those with a probability of one half or
        more, likeliest first.
        """
        names = self._tuned.labels
        several = self._tuned.objective.name == "multi_label"
        answers: list[Mapping[str, Any]] = []
        for row in self.probabilities(inputs, batch_size=batch_size, ids=ids).tolist():
            order = sorted(range(len(row)), key=lambda label: -row[label])
            answer: dict[str, Any] = (
                {"labels": [names[label] for label in order if row[label] >= THRESHOLD]}
                if several
                else {"label": names[order[0]], "probability": _short(row[order[0]])}
            )
            if everything:
                answer["probabilities"] = dict(zip(names, map(_short, row), strict=True))
            answers.append(answer)
        return answers

    def probabilities(
        self, inputs: Sequence[Mapping[str, Any]], *, batch_size: int, ids: Sequence[str]
    ) -> np.ndarray:
        """Return [inputs, labels] float32; with one label a text, each row sums to 1.

        They are as sure as the model was right on the validation split, where it has a temperature for that.

        Args:
            inputs: At least one; each has `text`, and `text_pair` where the model reads pairs.
            batch_size: Inputs at a time; changes the numbers by rounding only.
            ids: What an error calls each input.

        Raises:
            InputError: A text gives no token at all.
        """
        paired = "text_pair" in inputs[0]
        encoded = self._tokenizer.encode(
            [given["text"] for given in inputs],
            pairs=[given["text_pair"] for given in inputs] if paired else None,
            keep=self._keep,
            row_ids=ids,
        )
        types = encoded.token_types
        table = TokenTable(
            row_ids=pa.array([""] * len(inputs), pa.string()),
            tokens=np.concatenate([np.asarray(row, dtype=np.int32) for row in encoded.input_ids]),
            offsets=np.cumsum([0, *map(len, encoded.input_ids)], dtype=np.int64),
            labels=np.zeros(len(inputs), dtype=np.int32),
            token_types=None
            if types is None
            else np.concatenate([np.asarray(row, np.int8) for row in types]),
        )
        outputs = model_outputs(
            self._tuned.model,
            table,
            objective=self._tuned.objective,
            pad_token_id=self._tokenizer.pad_token_id,
            batch_size=batch_size,
            device=self._device,
        )
        if self._tuned.objective.name == "multi_label":
            return sigmoid(outputs.values)
        return softmax(outputs.values / self._temperature)


def _short(probability: float) -> float:
    """Return six decimals: float32 holds no more that mean something."""
    return round(probability, 6)
