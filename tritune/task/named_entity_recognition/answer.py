"""Entities of new texts, by a fine-tuned tagger: what training did to its words is done to these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tritune.inference import model_outputs
from tritune.models.classes import purpose
from tritune.models.finetuned import load_finetuned
from tritune.tagging import TaggedWords, found_entities, tag_words
from tritune.task.named_entity_recognition.encode import TagEncoder, words_batch
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import TokenTable
from tritune.words import Word, words_of


class Answerer:
    """A loaded tagger with its tokenizer."""

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        """Load both.

        Raises:
            InputError: The folder holds no fine-tuned tagger, or no usable tokenizer.
        """
        # The tokenizer's own limit is the length of training's windows.
        self._tokenizer = load_tokenizer(folder, max_length=NO_LIMIT)
        self._tuned = load_finetuned(folder)
        self._device = device
        self._tuned.model.to(device)
        self._stride = int(purpose(folder).answering["stride"])
        self._encoder = TagEncoder(self._tokenizer, self._tuned.labels, stride=self._stride)

    def answer(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        batch_size: int,
        ids: Sequence[str],  # noqa: ARG002
        everything: bool,
    ) -> list[Mapping[str, Any]]:
        """Return `entities` of each `text`, and on request `words`, each with its tag.

        An entity has `type`, `text`, `start` and `end` (characters of the given text, `end` excluded) and
        `probability`, that of its least sure word. Words are parted by `tritune.words`; a text that is longer
        than the model reads is read in windows.
        """
        texts = [given["text"] for given in inputs]
        parted = [words_of(text) for text in texts]
        answers = self._tags(parted, batch_size=batch_size)
        found: list[Mapping[str, Any]] = []
        for text, words, answer in zip(texts, parted, answers, strict=True):
            given: dict[str, Any] = {"entities": entities_in(text, words, answer)}
            if everything:
                given["words"] = [
                    {
                        "text": word.text,
                        "start": word.start,
                        "end": word.end,
                        "tag": tag,
                        "probability": _short(p),
                    }
                    for word, tag, p in zip(words, answer.tags, answer.probabilities, strict=True)
                ]
            found.append(given)
        return found

    def _tags(self, texts: Sequence[Sequence[Word]], *, batch_size: int) -> list[TaggedWords]:
        batch = words_batch(self._encoder, [[word.text for word in words] for words in texts])
        table = TokenTable(
            row_ids=batch.column("id"),
            tokens=batch.column("input_ids").values.to_numpy(),
            offsets=batch.column("input_ids").offsets.to_numpy().astype(np.int64),
            labels=batch.column("labels").values.to_numpy(),
            label_offsets=batch.column("labels").offsets.to_numpy().astype(np.int64),
        )
        outputs = model_outputs(
            self._tuned.model,
            table,
            objective=self._tuned.objective,
            pad_token_id=self._tokenizer.pad_token_id,
            batch_size=batch_size,
            device=self._device,
        )
        return list(
            tag_words(
                outputs,
                row_ids=table.row_ids,
                words=batch.column("words").values.to_numpy(),
                labels=self._tuned.labels,
                texts=[(str(number), len(words)) for number, words in enumerate(texts)],
            )
        )


def entities_in(text: str, words: Sequence[Word], answer: TaggedWords) -> list[dict[str, Any]]:
    """Return the entities of a text as they are written out."""
    found = []
    for one in found_entities(answer):
        start, end = words[one.start].start, words[one.end - 1].end
        found.append(
            {
                "type": one.type,
                "text": text[start:end],
                "start": start,
                "end": end,
                "probability": _short(one.probability),
            }
        )
    return found


def _short(probability: float) -> float:
    """Return six decimals: float32 holds no more that mean something."""
    return round(probability, 6)
