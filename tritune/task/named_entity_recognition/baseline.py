"""A tagger that looks up: entities of the training texts, found again wherever the same words stand.

The longest first, whatever their case, with the type that they most often have there. It is what a model has
to beat to have learnt more than a list of names.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.metrics.entities import entity_metrics
from tritune.tags import entities
from tritune.task.contract import Baseline, Floor

NAME = "entities of the training texts, looked up"

Names = Mapping[tuple[str, ...], str]
"""From an entity's words, in lower case, to its type."""


def baseline(ingested: Path) -> Baseline:
    """Look up what the training texts name in the others.

    Args:
        ingested: `data/ingested`.
    """
    training = pq.read_table(ingested / "train.parquet", columns=["tokens", "tags"])
    names = known_names(training.column("tokens").to_pylist(), training.column("tags").to_pylist())
    scores, parts = {}, []
    for split in ("validation", "test"):
        rows = pq.read_table(ingested / f"{split}.parquet", columns=["id", "tokens", "tags"])
        gold = rows.column("tags").to_pylist()
        predicted = [looked_up(words, names) for words in rows.column("tokens").to_pylist()]
        scores[split] = entity_metrics(gold, predicted)
        parts.append(
            pa.table(
                {
                    "split": pa.array([split] * len(rows), pa.string()),
                    "id": rows.column("id"),
                    "tags": pa.array(gold, pa.list_(pa.string())),
                    "predicted": pa.array(predicted, pa.list_(pa.string())),
                }
            )
        )
    return Baseline(Floor(NAME, scores), pa.concat_tables(parts))


def known_names(texts: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Names:
    """Return every entity of the texts with its most frequent type; the first in the alphabet in a tie."""
    types: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for words, spelt in zip(texts, tags, strict=True):
        for one in entities(spelt):
            types[tuple(word.lower() for word in words[one.start : one.end])][one.type] += 1
    return {name: min(found, key=lambda type_: (-found[type_], type_)) for name, found in types.items()}


def looked_up(words: Sequence[str], names: Names) -> list[str]:
    """Return a text's tags: from left to right, the longest known name that begins at each word."""
    longest = max(map(len, names), default=0)
    lower = [word.lower() for word in words]
    tags, place = ["O"] * len(words), 0
    while place < len(words):
        for end in range(min(place + longest, len(words)), place, -1):
            if kind := names.get(tuple(lower[place:end])):
                tags[place:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - place - 1)]
                place = end
                break
        else:
            place += 1
    return tags
