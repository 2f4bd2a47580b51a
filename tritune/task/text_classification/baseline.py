"""A classifier that counts words: TF-IDF of words and pairs of words, and logistic regression.

Both by scikit-learn. It is what a pretrained transformer has to beat to be worth its cost.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from tritune.metrics.classification import classification_metrics
from tritune.metrics.multi_label import THRESHOLD, multi_label_metrics
from tritune.task.contract import Baseline, Floor
from tritune.words import words_of

NAME = "TF-IDF with logistic regression"
MOST_TEXTS = 20_000
"""Training texts that are learnt from, evenly spread over the file, so that it takes seconds."""

MOST_WEIGHTS = 2_000_000
"""Features times classes; the most frequent words and pairs are kept. It bounds time and memory."""

ROWS_AT_ONCE = 10_000

STRENGTH = 10.0
"""scikit-learn's C. Counted words are many and telling, so less regularisation than its default of 1."""


def baseline(ingested: Path) -> Baseline | None:
    """Learn from the training rows and answer the others; None where the training rows have one label.

    Args:
        ingested: `data/ingested`.
    """
    labels: list[str] = json.loads((ingested / "labels.json").read_text(encoding="utf-8"))
    several = pa.types.is_list(pq.read_schema(ingested / "train.parquet").field("label").type)
    training = _spread(pq.read_table(ingested / "train.parquet"))
    targets = _targets(training, labels)
    seen = np.flatnonzero(targets.any(axis=0))
    if len(seen) < 2:
        return None
    with threadpool_limits(1):  # another number of threads would round otherwise
        most = max(1000, MOST_WEIGHTS // len(seen))
        vectorizers = [_vectorizer(most).fit(column) for column in _texts(training)]
        model = LogisticRegression(C=STRENGTH, max_iter=100)
        if several:
            model = OneVsRestClassifier(model).fit(_features(vectorizers, training), targets[:, seen])
        else:
            model.fit(_features(vectorizers, training), targets.argmax(axis=1))
        scores, parts = {}, []
        for split in ("validation", "test"):
            rows = pq.read_table(ingested / f"{split}.parquet")
            probabilities = np.zeros((len(rows), len(labels)), dtype=np.float32)
            for start in range(0, len(rows), ROWS_AT_ONCE):
                part = rows.slice(start, ROWS_AT_ONCE)
                asked = model.predict_proba(_features(vectorizers, part))
                probabilities[start : start + len(part), seen] = asked
            gold = _targets(rows, labels)
            if several:
                scores[split] = multi_label_metrics(gold, probabilities)
                label, predicted = _listed(gold == 1), _listed(probabilities >= THRESHOLD)
            else:
                classes = gold.argmax(axis=1).astype(np.int32)
                scores[split] = classification_metrics(classes, probabilities)
                label = pa.array(classes)
                predicted = pa.array(probabilities.argmax(axis=1).astype(np.int32))
            parts.append(_table(split, rows.column("id"), label, predicted, probabilities))
    return Baseline(Floor(NAME, scores), pa.concat_tables(parts))


def _vectorizer(most_features: int) -> TfidfVectorizer:
    # Words of any script, as a tagger's: scikit-learn's own pattern takes a Chinese sentence for one word.
    return TfidfVectorizer(
        tokenizer=lambda text: [word.text for word in words_of(text)],
        token_pattern=None,
        ngram_range=(1, 2),
        sublinear_tf=True,
        max_features=most_features,
    )


def _texts(rows: pa.Table) -> list[list[str]]:
    """Return the texts of the rows, of pairs the first ones and the second ones."""
    return [rows.column(name).to_pylist() for name in ("text", "text_pair") if name in rows.column_names]


def _features(vectorizers: list[TfidfVectorizer], rows: pa.Table) -> sparse.csr_array:
    each = [one.transform(column) for one, column in zip(vectorizers, _texts(rows), strict=True)]
    return sparse.csr_array(sparse.hstack(each))


def _spread(rows: pa.Table) -> pa.Table:
    if len(rows) <= MOST_TEXTS:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, MOST_TEXTS).astype(np.int64))


def _targets(rows: pa.Table, labels: list[str]) -> np.ndarray:
    """Return [rows, labels] int64: 1 where a row has the label."""
    places = {label: index for index, label in enumerate(labels)}
    targets: np.ndarray = np.zeros((len(rows), len(labels)), dtype=np.int64)
    for row, given in enumerate(rows.column("label").to_pylist()):
        for label in [given] if isinstance(given, str) else given:
            targets[row, places[label]] = 1
    return targets


def _listed(members: np.ndarray) -> pa.Array:
    return pa.array([np.flatnonzero(row).astype(np.int32) for row in members], pa.list_(pa.int32()))


def _table(split: str, ids: Any, label: pa.Array, predicted: pa.Array, probabilities: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "split": pa.array([split] * len(ids), pa.string()),
            "id": ids,
            "label": label,
            "predicted": predicted,
            "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
        }
    )
