"""A classifier's predictions as parts of its scores, an example a text."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.sums import (
    Parts,
    calibration_parts,
    count_parts,
    label_parts,
    mean_parts,
    negative_log_likelihoods,
    one_hot,
)


def parts(evaluation: Path, metric: str, *, split: str, labels: int, objective: str) -> Parts:
    """Return the parts of any of the task's scores.

    Args:
        evaluation: Folder that the stage `evaluate` wrote.
        metric: One of `tritune.metrics.catalogue.metrics_of`.
        split: validation or test.
        labels: How many the model knows.
    """
    surely = metric in (NEGATIVE_LOG_LIKELIHOOD, "expected_calibration_error")
    table = pq.read_table(
        evaluation / "predictions.parquet",
        columns=["id", "label", "predicted", *(["probabilities"] if surely else [])],
        filters=pc.equal(pc.field("split"), split),
    ).combine_chunks()
    ids = table.column("id").to_pylist()
    probabilities = np.zeros((len(ids), 0), dtype=np.float32)
    if surely:
        flat = table.column("probabilities").combine_chunks().flatten().to_numpy()
        probabilities = flat.reshape(len(ids), -1)
    if objective == "multi_label":
        gold, predicted = (_members(table.column(name), labels=labels) for name in ("label", "predicted"))
        return _of_several(ids, gold, predicted, probabilities, metric=metric)
    label, predicted_class = (table.column(name).to_numpy() for name in ("label", "predicted"))
    right = (label == predicted_class).astype(np.float64)
    if metric == "accuracy":
        return mean_parts(ids, right)
    if metric == NEGATIVE_LOG_LIKELIHOOD:
        return mean_parts(ids, negative_log_likelihoods(probabilities[np.arange(len(label)), label]))
    if metric == "expected_calibration_error":
        return calibration_parts(ids, probabilities.max(axis=1).astype(np.float64), right)
    return label_parts(
        ids, one_hot(label, count=labels), one_hot(predicted_class, count=labels), metric=metric
    )


def _of_several(
    ids: list[str],
    gold: sparse.csr_array,
    predicted: sparse.csr_array,
    probabilities: np.ndarray,
    *,
    metric: str,
) -> Parts:
    if metric == "exact_match":
        wrong = np.asarray(abs(gold - predicted).sum(axis=1)).ravel()
        return mean_parts(ids, (wrong == 0).astype(np.float64))
    if metric == NEGATIVE_LOG_LIKELIHOOD:
        own = np.where(gold.toarray() > 0, probabilities, 1 - probabilities)
        return mean_parts(ids, negative_log_likelihoods(own).mean(axis=1))
    if metric == "micro_f1":
        correct, given, has = (
            np.asarray(counts.sum(axis=1)).ravel() for counts in (gold.multiply(predicted), predicted, gold)
        )
        return count_parts(ids, correct, given, has, metric=metric)
    return label_parts(ids, gold, predicted, metric=metric)


def _members(lists: pa.ChunkedArray, *, labels: int) -> sparse.csr_array:
    """Return [rows, labels], 1 for each label in a row's list."""
    column = lists.combine_chunks()
    values = column.flatten().to_numpy()
    starts = np.concatenate([[0], np.cumsum(pc.list_value_length(column).to_numpy())])
    return sparse.csr_array((np.ones(len(values)), values, starts), shape=(len(column), labels))
