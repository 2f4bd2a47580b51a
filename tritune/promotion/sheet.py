"""A model's predictions on a test set as one score a row, so that two models can be compared row by row.

What a row's score is depends on the task, and its mean is not always the metric that methods are compared by:
a macro F1 or an entity F1 is no mean over rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tritune.task.contract import task_module


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
    sheet: Sheet = task_module(task, "sheet").sheet(table, labels)
    return sheet


def overlap(given: set[Any], found: set[Any]) -> float:
    """Return the F1 of two sets, in [0, 1]; 1 where both are empty."""
    return 2 * len(given & found) / (len(given) + len(found)) if given or found else 1.0


def right_by_class(lists: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Return the lists as arrays, sorted by class, as `Sheet.classes` holds them."""
    return {name: np.array(lists[name]) for name in sorted(lists)}
