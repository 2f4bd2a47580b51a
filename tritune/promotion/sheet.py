"""A model's predictions on a test set as one score a row, so that two models can be compared row by row.

What a row's score is depends on the task, and its mean is not always the metric that methods are compared by:
a macro F1 or an entity F1 is no mean over rows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tritune.metrics.calibration import expected_calibration_error
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.tags import entities


@dataclass(frozen=True)
class Sheet:
    """One model's answers to a test set. Two are comparable if their `rows` are equal."""

    score: str
    """What the mean of `scores` is called."""

    rows: Sequence[str]
    """What tells a row from all others."""

    scores: np.ndarray
    """[rows] float64, higher is better."""

    classes: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Class or kind of row -> whether each of its rows (or entities) is right, 0 or 1, in the rows' order."""

    calibration_error: float | None = None
    """Expected calibration error, in [0, 1]; None where the task has none."""


def answer_sheet(predictions: pa.Table, *, task: str, labels: Sequence[str]) -> Sheet:
    """Return the test split's rows of `predictions.parquet`, which the stage `evaluate` writes.

    Args:
        task: As in params.yaml.
        labels: Names of the model's classes by id; unused where the table names them itself.
    """
    table = predictions.filter(pc.equal(predictions["split"], "test"))
    if task == "text_classification":
        if pa.types.is_list(table.schema.field("label").type):
            return _several_labels(table, labels)
        return _one_label(table, labels)
    if task == "named_entity_recognition":
        return _tags(table)
    return _answers(table) if task == "question_answering" else _dialogues(table)


def _one_label(table: pa.Table, labels: Sequence[str]) -> Sheet:
    label, predicted = (table[name].to_numpy() for name in ("label", "predicted"))
    right = (label == predicted).astype(np.float64)
    probabilities = np.stack(table["probabilities"].to_numpy(zero_copy_only=False))
    return Sheet(
        score="accuracy",
        rows=table["id"].to_pylist(),
        scores=right,
        classes={labels[one]: right[label == one] for one in sorted(set(label.tolist()))},
        calibration_error=expected_calibration_error(label, probabilities),
    )


def _several_labels(table: pa.Table, labels: Sequence[str]) -> Sheet:
    scores, classes = [], defaultdict(list)
    for label, predicted in zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True):
        scores.append(_overlap(set(label), set(predicted)))
        for one in sorted(label):
            classes[labels[one]].append(float(one in predicted))
    return Sheet("mean F1 of a row's labels", table["id"].to_pylist(), np.array(scores), _arrays(classes))


def _tags(table: pa.Table) -> Sheet:
    scores, classes = [], defaultdict(list)
    for tags, predicted in zip(table["tags"].to_pylist(), table["predicted"].to_pylist(), strict=True):
        given, found = entities(tags), set(entities(predicted))
        scores.append(_overlap(set(given), found))
        for one in given:
            classes[one.type].append(float(one in found))
    return Sheet("mean F1 of a text's entities", table["id"].to_pylist(), np.array(scores), _arrays(classes))


def _answers(table: pa.Table) -> Sheet:
    classes = defaultdict(list)
    for answers, right in zip(table["answers"].to_pylist(), table["exact_match"].to_pylist(), strict=True):
        classes["with an answer" if answers else "without an answer"].append(float(right))
    scores = table["f1"].to_numpy().astype(np.float64)
    return Sheet("answer F1", table["id"].to_pylist(), scores, _arrays(classes))


def _dialogues(table: pa.Table) -> Sheet:
    """Return one row a dialogue: its turns are alike, and as rows would make any test too sure."""
    turns: defaultdict[str, list[str]] = defaultdict(list)
    losses: defaultdict[str, float] = defaultdict(float)
    tokens: defaultdict[str, int] = defaultdict(int)
    names = ("id", "turn", NEGATIVE_LOG_LIKELIHOOD, "tokens")
    for one, turn, loss, count in zip(*(table[name].to_pylist() for name in names), strict=True):
        turns[one].append(str(turn))
        losses[one] += loss * count
        tokens[one] += count
    rows = [f"{one}/{','.join(own)}" for one, own in turns.items()]
    scores = np.array([-losses[one] / max(tokens[one], 1) for one in turns])
    return Sheet("log likelihood of a dialogue's token", rows, scores)


def _overlap(given: set[Any], found: set[Any]) -> float:
    """Return the F1 of two sets, in [0, 1]; 1 where both are empty."""
    return 2 * len(given & found) / (len(given) + len(found)) if given or found else 1.0


def _arrays(lists: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(lists[name]) for name in sorted(lists)}
