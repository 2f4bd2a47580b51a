"""A model's outputs on tokens as tags of whole words, and as entities with a probability."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tritune.metrics.classification import softmax
from tritune.outputs import Outputs
from tritune.tags import OUTSIDE, entities


@dataclass(frozen=True)
class TaggedWords:
    """The answer for one text."""

    tags: list[str]
    """One for each word; `O` for a word that no token stands for."""

    probabilities: list[float]
    """Of these tags, in [0, 1]; 0 for a word that no token stands for."""


class Found(NamedTuple):
    """An entity that a model found."""

    type: str
    start: int
    """The first word."""

    end: int
    """One past the last word."""

    probability: float
    """Of its least sure word's tag, in [0, 1]."""


def tag_words(
    outputs: Outputs,
    *,
    row_ids: pa.StringArray,
    words: np.ndarray,
    labels: Sequence[str],
    texts: Sequence[tuple[str, int]],
) -> Iterator[TaggedWords]:
    """Yield the answer for each text: each word's likeliest tag, read at the one token that answers for it.

    Args:
        outputs: Logits, [tokens, tags], of every row of a token table.
        row_ids: Of each row; the rows of one text lie together, texts in the order of `texts`.
        words: [tokens] the word that each token answers for, negative for none.
        labels: The tags by their ids.
        texts: The id and the number of words of each text.
    """
    asked = words >= 0
    rows_of_tokens = np.repeat(np.arange(outputs.rows), np.diff(outputs.offsets))[asked]
    probabilities = softmax(outputs.values[asked])
    best = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(best)), best]
    numbers = words[asked]
    # Of each text: where its rows end, hence where its answers end.
    ids = row_ids.to_pylist()
    row = answer = 0
    for text_id, count in texts:
        tags, own = [OUTSIDE] * count, [0.0] * count
        while row < len(ids) and ids[row] == text_id:
            row += 1
        end = int(np.searchsorted(rows_of_tokens, row))
        for place in range(answer, end):
            tags[numbers[place]] = labels[best[place]]
            own[numbers[place]] = float(sure[place])
        answer = end
        yield TaggedWords(tags, own)


def found_entities(answer: TaggedWords) -> list[Found]:
    """Return the entities that an answer's tags spell."""
    return [
        Found(one.type, one.start, one.end, min(answer.probabilities[one.start : one.end]))
        for one in entities(answer.tags)
    ]
