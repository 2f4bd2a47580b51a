"""A classifier's outputs as scores, and as the files that the stage `evaluate` keeps."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import precision_recall_fscore_support

from tritune.metrics.calibration import reliability_bins
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.classification import class_scores, classification_metrics, softmax
from tritune.metrics.multi_label import THRESHOLD, multi_label_metrics, sigmoid
from tritune.metrics.temperature import TEMPERATURE, fitted_temperature
from tritune.objectives.multi_label import targets_of
from tritune.task.contract import Evaluation, EvaluationRun, Guess, Scorer, Split
from tritune.tokens import TokensInfo, TokenTable, read_tokens

PER_CLASS = ("split", "label", "rows", "predicted", "precision", "recall", "f1")


def scorer(split: Split, info: TokensInfo) -> Scorer:
    """Return the function that scores a model's outputs on this split."""
    table = read_tokens(split.tokens)
    if info.objective == "multi_label":
        targets = targets_of(table, labels=len(info.labels))
        return lambda outputs: multi_label_metrics(targets, sigmoid(outputs.values))
    return lambda outputs: classification_metrics(table.labels, softmax(outputs.values))


def evaluate(run: EvaluationRun, splits: Sequence[Split]) -> Evaluation:
    """Score every row of every split once.

    Predictions: split, id, label and predicted (a class id, or the list of them), probabilities. Tables:
    scores per class; with one label a text also the confusion of the test split for `dvc plots`, the
    reliability diagram, and how well the temperature calibrates. Decided: that temperature, set on the
    validation split. All scores are those without it; it changes no answer, only how sure it is.
    """
    if run.info.objective == "multi_label":
        return _evaluate_several(run, splits)
    tables = {split.name: read_tokens(split.tokens) for split in splits}
    logits = {split.name: run.outputs(split).values for split in splits}
    probabilities = {name: softmax(values) for name, values in logits.items()}
    temperature = fitted_temperature(tables["validation"].labels, logits["validation"])
    labels = run.info.labels
    predicted = probabilities["test"].argmax(axis=1)
    return Evaluation(
        scores={
            name: classification_metrics(table.labels, probabilities[name]) for name, table in tables.items()
        },
        predictions=prediction_table(tables, probabilities),
        tables={
            "per_class.csv": (PER_CLASS, per_class_rows(tables, probabilities, labels=labels)),
            "confusion.csv": (
                ("actual", "predicted"),
                [(labels[a], labels[p]) for a, p in zip(tables["test"].labels, predicted, strict=True)],
            ),
            "calibration.csv": (
                ("split", "lower", "upper", "rows", "confidence", "accuracy"),
                calibration_rows(tables, probabilities),
            ),
            "temperature.csv": (
                ("split", "temperature", "expected_calibration_error", "negative_log_likelihood"),
                temperature_rows(tables, logits, temperature=temperature),
            ),
        },
        decided={TEMPERATURE: temperature},
    )


def _evaluate_several(run: EvaluationRun, splits: Sequence[Split]) -> Evaluation:
    labels, scores, rows, parts = run.info.labels, {}, [], []
    for split in splits:
        table = read_tokens(split.tokens)
        targets = targets_of(table, labels=len(labels))
        probabilities = sigmoid(run.outputs(split).values)
        predicted = probabilities >= THRESHOLD
        loss = run.mean_loss(split)
        scores[split.name] = {**multi_label_metrics(targets, probabilities), NEGATIVE_LOG_LIKELIHOOD: loss}
        columns = precision_recall_fscore_support(targets, predicted, zero_division=0.0)
        rows += [
            (split.name, label, int(count), int(predicted[:, index].sum()), float(p), float(r), float(f))
            for index, (label, p, r, f, count) in enumerate(zip(labels, *columns, strict=True))
        ]
        parts.append(
            pa.table(
                {
                    "split": pa.array([split.name] * table.rows, pa.string()),
                    "id": table.row_ids,
                    "label": _listed([np.flatnonzero(row) for row in targets]),
                    "predicted": _listed([np.flatnonzero(row) for row in predicted]),
                    "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
                }
            )
        )
    return Evaluation(
        scores=scores, predictions=pa.concat_tables(parts), tables={"per_class.csv": (PER_CLASS, rows)}
    )


def _listed(rows: Sequence[np.ndarray]) -> pa.Array:
    return pa.array([row.astype(np.int32) for row in rows], pa.list_(pa.int32()))


def prediction_table(tables: Mapping[str, TokenTable], probabilities: Mapping[str, np.ndarray]) -> pa.Table:
    """Return one row per text, in the order of the splits and of their rows."""
    parts = []
    for split, table in tables.items():
        classes = probabilities[split].shape[1]
        flat = probabilities[split].reshape(-1)
        offsets = np.arange(0, len(flat) + 1, classes, dtype=np.int32)
        columns = {
            "split": pa.array([split] * table.rows, pa.string()),
            "id": table.row_ids,
            "label": pa.array(table.labels, pa.int32()),
            "predicted": pa.array(probabilities[split].argmax(axis=1).astype(np.int32)),
            "probabilities": pa.ListArray.from_arrays(offsets, flat),
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def per_class_rows(
    tables: Mapping[str, TokenTable], probabilities: Mapping[str, np.ndarray], *, labels: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return one row per split and class, in the order of the class ids."""
    return [
        (split, labels[row.class_id], row.rows, row.predicted, row.precision, row.recall, row.f1)
        for split, table in tables.items()
        for row in class_scores(table.labels, probabilities[split])
    ]


def calibration_rows(
    tables: Mapping[str, TokenTable], probabilities: Mapping[str, np.ndarray]
) -> list[tuple[Any, ...]]:
    """Return one row per split and bin of confidence, lowest first."""
    return [
        (split, row.lower, row.upper, row.rows, row.confidence, row.accuracy)
        for split, table in tables.items()
        for row in reliability_bins(table.labels, probabilities[split])
    ]


def temperature_rows(
    tables: Mapping[str, TokenTable], logits: Mapping[str, np.ndarray], *, temperature: float
) -> list[tuple[Any, ...]]:
    """Return what calibration is before, at a temperature of 1, and after, two rows a split."""
    rows: list[tuple[Any, ...]] = []
    for split, table in tables.items():
        for each in (1.0, temperature):
            scores = classification_metrics(table.labels, softmax(logits[split] / each))
            rows.append((split, each, scores["expected_calibration_error"], scores[NEGATIVE_LOG_LIKELIHOOD]))
    return rows


def guess(
    training: TokenTable, validation: TokenTable, info: TokensInfo, *, label_smoothing: float
) -> Guess | None:
    """Return what the classes' frequencies alone give; None where a text may have several labels.

    There, the losses of the labels differ too much for one number to say that nothing was learnt.
    """
    if info.objective == "multi_label":
        return None
    classes = len(info.labels)
    return Guess(
        loss=guessing_loss(training.labels, classes=classes, label_smoothing=label_smoothing),
        loss_words="guessing by how frequent each class is",
        metric="accuracy",
        score=majority_share(validation.labels, classes=classes),
        score_words="always answering the most frequent class",
    )


def guessing_loss(labels: np.ndarray, *, classes: int, label_smoothing: float = 0.0) -> float:
    """Return the mean loss, in nats, of answering every text with the classes' own frequencies.

    It is the lowest loss that can be had without reading the text.

    Args:
        labels: [rows] class ids.
    """
    frequencies = np.bincount(labels, minlength=classes) / max(len(labels), 1)
    smoothed = (1 - label_smoothing) * frequencies + label_smoothing / classes
    return -sum(float(p) * math.log(float(p)) for p in smoothed if p > 0)


def majority_share(labels: np.ndarray, *, classes: int) -> float:
    """Return the share of rows in the most frequent class, in (0, 1]."""
    return float(np.bincount(labels, minlength=classes).max()) / len(labels)
