"""A tagger's outputs as scores of entities, and as the files that the stage `evaluate` keeps.

The denominators are the ingested file's: every entity and every word of it, also those that no token stands
for and those of types that are not learnt.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.entities import entity_metrics, type_scores
from tritune.outputs import Outputs
from tritune.tagging import TaggedWords, found_entities, tag_words
from tritune.task.contract import Evaluation, EvaluationRun, Guess, Scorer, Split
from tritune.tokens import IGNORED, TokensInfo, TokenTable, read_column, read_tokens

ENTITY = pa.struct(
    [("type", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("probability", pa.float32())]
)
PREDICTIONS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("predicted", pa.list_(pa.string()), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
        pa.field("entities", pa.list_(ENTITY), nullable=False),
    ]
)


class Gold:
    """What a split's file says, and how its token table leads there."""

    def __init__(self, split: Split, labels: Sequence[str]) -> None:
        rows = pq.read_table(split.gold, columns=["id", "tags"])
        self.ids: list[str] = rows.column("id").to_pylist()
        self.tags: list[list[str]] = rows.column("tags").to_pylist()
        self._row_ids = read_tokens(split.tokens).row_ids
        self._words = read_column(split.tokens, "words")
        self._labels = labels

    def answers(self, outputs: Outputs) -> list[TaggedWords]:
        """Return the model's tags of each text, in the file's order."""
        texts = [(text_id, len(tags)) for text_id, tags in zip(self.ids, self.tags, strict=True)]
        return list(
            tag_words(outputs, row_ids=self._row_ids, words=self._words, labels=self._labels, texts=texts)
        )


def scorer(split: Split, info: TokensInfo) -> Scorer:
    """Return the function that scores a model's outputs on this split."""
    gold = Gold(split, info.labels)
    return lambda outputs: entity_metrics(gold.tags, [one.tags for one in gold.answers(outputs)])


def guess(
    training: TokenTable,
    validation: TokenTable,  # noqa: ARG001
    info: TokensInfo,
    *,
    label_smoothing: float,
) -> Guess | None:
    """Return what the tags' frequencies alone give: all words outside, which finds no entity."""
    tags = training.labels[training.labels != IGNORED]
    frequencies = np.bincount(tags, minlength=len(info.labels)) / max(len(tags), 1)
    smoothed = (1 - label_smoothing) * frequencies + label_smoothing / len(info.labels)
    return Guess(
        loss=-sum(float(p) * math.log(float(p)) for p in smoothed if p > 0),
        loss_words="guessing by how frequent each tag is",
        metric="entity_f1",
        score=0.0,
        score_words="finding no entity at all",
    )


def evaluate(run: EvaluationRun, splits: Sequence[Split]) -> Evaluation:
    """Score every word of every split once.

    Predictions: split, id, the words' tags in the file and predicted, the probabilities of the predicted
    tags, and the predicted entities (words from `start` to before `end`) with their least sure word's. Table:
    scores per type.
    """
    gold = {split.name: Gold(split, run.info.labels) for split in splits}
    answers = {split.name: gold[split.name].answers(run.outputs(split)) for split in splits}
    scores = {
        split.name: {
            **entity_metrics(gold[split.name].tags, [one.tags for one in answers[split.name]]),
            NEGATIVE_LOG_LIKELIHOOD: run.mean_loss(split),
        }
        for split in splits
    }
    return Evaluation(
        scores=scores,
        predictions=prediction_table(gold, answers),
        tables={
            "per_type.csv": (
                ("split", "type", "entities", "predicted", "correct", "precision", "recall", "f1"),
                per_type_rows(gold, answers),
            )
        },
    )


def prediction_table(gold: Mapping[str, Gold], answers: Mapping[str, Sequence[TaggedWords]]) -> pa.Table:
    """Return one row per text, in the order of the splits and of their rows."""
    parts = []
    for split, rows in gold.items():
        columns: list[list[Any]] = [
            [split] * len(rows.ids),
            rows.ids,
            rows.tags,
            [answer.tags for answer in answers[split]],
            [answer.probabilities for answer in answers[split]],
            [[one._asdict() for one in found_entities(answer)] for answer in answers[split]],
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, PREDICTIONS, strict=True)]
        parts.append(pa.table(arrays, schema=PREDICTIONS))
    return pa.concat_tables(parts)


def per_type_rows(
    gold: Mapping[str, Gold], answers: Mapping[str, Sequence[TaggedWords]]
) -> list[tuple[Any, ...]]:
    """Return one row per split and type, sorted by type."""
    return [
        (split, one.type, one.entities, one.predicted, one.correct, one.precision, one.recall, one.f1)
        for split, rows in gold.items()
        for one in type_scores(rows.tags, [answer.tags for answer in answers[split]])
    ]
