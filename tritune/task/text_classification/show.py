"""A classifier's part of the report: its floor, its classes, what it confuses, where it is surely wrong."""

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from markupsafe import Markup

from tritune.charts import reliability_chart
from tritune.metrics.floor import majority_class, majority_floor
from tritune.mistakes import SHOWN, Answers, confused_pairs, surest_mistakes
from tritune.task.contract import Floor, Shipped

WEAKEST = 12
"""Classes shown before the rest is folded away."""


def floor(profile: Mapping[str, Any], labels: Sequence[str]) -> Floor | None:
    """Return what always giving the most frequent label scores; None where a text may have several.

    There, the best constant answer is often no label at all, whose F1 is 0.
    """
    if profile["multi_label"]:
        return None
    counts = _counts(profile, labels)
    majority = labels[majority_class(counts["train"])]
    scores = {split: majority_floor(counts["train"], counts[split]) for split in ("validation", "test")}
    return Floor(name=f"always {majority}", scores=scores)


def cautions(name: str, shipped: Shipped) -> list[str]:
    """Return a warning unless the model is clearly better than a constant answer.

    Clearly: its Matthews correlation is above 2 / sqrt(rows), about two standard errors of the correlation
    between answers and labels that have nothing to do with each other. (Accuracy would condemn a good model
    of rare classes, and macro F1 has no such yardstick.)

    Args:
        name: of the method.
    """
    if shipped.floor is None:
        if shipped.scores["validation"]["micro_f1"] > 0:
            return []
        return [f"{name} gives no validation row any of its labels. Train for longer, or at another rate."]
    counts = _counts(shipped.profile, shipped.labels)
    rows = sum(counts["validation"])
    validation, chance = shipped.scores["validation"], 2 / math.sqrt(rows)
    if validation["matthews_correlation"] > chance:
        return []
    majority = shipped.labels[majority_class(counts["train"])]
    return [
        f"{name} is not clearly better than always answering {majority!r}: validation accuracy "
        f"{validation['accuracy']:.3f} against {shipped.floor.scores['validation']['accuracy']:.3f}, and a "
        f"Matthews correlation of {validation['matthews_correlation']:.3f} where chance alone reaches "
        f"{min(chance, 1):.3f} on {rows} rows. Look at the labels, train for longer, or try another learning "
        "rate."
    ]


def data_columns(part: Mapping[str, Any]) -> Mapping[str, int]:
    """Return what the table of splits tells besides rows and lengths."""
    return {"classes with rows": len(part["rows_per_label"]) - len(part["labels_without_rows"])}


def block(shipped: Shipped) -> Mapping[str, Any]:
    """Return the variables of `show.html.j2`."""
    per_class = read_per_class(shipped.evaluation / "per_class.csv")
    weakest = sorted(per_class, key=lambda row: row["validation"]["f1"])
    if shipped.objective == "multi_label":
        return {
            "per_class": per_class,
            "weakest": weakest[:WEAKEST],
            "other_classes": weakest[WEAKEST:],
            "several": True,
            "mistakes": _worst_rows(shipped),
        }
    answers = read_validation(shipped.evaluation / "predictions.parquet")
    mistakes = surest_mistakes(answers, labels=shipped.labels)
    texts = texts_of(shipped.ingested / "validation.parquet", {one["id"] for one in mistakes})
    bins = read_calibration(shipped.evaluation / "calibration.csv")
    return {
        "per_class": per_class,
        "weakest": weakest[:WEAKEST],
        "other_classes": weakest[WEAKEST:],
        "several": False,
        "confused": confused_pairs(answers, labels=shipped.labels),
        "reliability": Markup(reliability_chart(bins, title="Accuracy by confidence, validation split")),
        "calibration_error": shipped.scores["validation"]["expected_calibration_error"],
        "temperatures": read_temperatures(shipped.evaluation / "temperature.csv"),
        "mistakes": [one | {"text": texts[one["id"]]} for one in mistakes],
    }


def _worst_rows(shipped: Shipped) -> list[dict[str, Any]]:
    """Return the validation rows with the most wrong labels, the surest of them first."""
    table = pq.read_table(shipped.evaluation / "predictions.parquet")
    found = []
    for row in table.filter(pc.equal(table.column("split"), "validation")).to_pylist():
        actual, predicted = set(row["label"]), set(row["predicted"])
        if wrong := actual ^ predicted:
            sure = sum(abs(row["probabilities"][label] - 0.5) for label in wrong)
            names = {"actual": actual, "predicted": predicted}
            listed = {k: ", ".join(shipped.labels[i] for i in sorted(v)) or "none" for k, v in names.items()}
            found.append((len(wrong), sure, row["id"], listed))
    found.sort(key=lambda one: (-one[0], -one[1], one[2]))
    texts = texts_of(shipped.ingested / "validation.parquet", {row_id for _, _, row_id, _ in found[:SHOWN]})
    return [
        {"id": row_id, "text": texts[row_id], **listed, "wrong": wrong}
        for wrong, _, row_id, listed in found[:SHOWN]
    ]


def _counts(profile: Mapping[str, Any], labels: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each class by split."""
    return {
        split: [part["rows_per_label"][label] for label in labels]
        for split, part in profile["splits"].items()
    }


def read_validation(path: Path) -> Answers:
    """Return the predictions of the validation split."""
    parts: dict[str, list[np.ndarray]] = {"label": [], "predicted": [], "confidence": [], "own": []}
    row_ids: list[str] = []
    for batch in pq.ParquetFile(path).iter_batches(65_536):
        rows = batch.filter(pc.equal(batch.column("split"), "validation"))
        if rows.num_rows == 0:
            continue
        label = rows.column("label").to_numpy()
        probabilities = rows.column("probabilities").flatten().to_numpy().reshape(rows.num_rows, -1)
        row_ids += rows.column("id").to_pylist()
        parts["label"].append(label)
        parts["predicted"].append(rows.column("predicted").to_numpy())
        parts["confidence"].append(probabilities.max(axis=1))
        parts["own"].append(probabilities[np.arange(len(label)), label])
    return Answers(row_ids, **{name: np.concatenate(values) for name, values in parts.items()})


def texts_of(path: Path, row_ids: Collection[str]) -> dict[str, str]:
    """Return the texts of some rows by their ids, of a pair both, without holding all texts."""
    found = {}
    pair = "text_pair" in pq.read_schema(path).names
    columns = ["id", "text", *(["text_pair"] if pair else [])]
    for batch in pq.ParquetFile(path).iter_batches(65_536, columns=columns):
        for row_id, *texts in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            if row_id in row_ids:
                found[row_id] = "\n\n".join(texts)
    return found


def read_per_class(path: Path) -> list[dict[str, Any]]:
    """Return one row per class: label, and the scores of both splits."""
    found: dict[str, dict[str, Any]] = {}
    for row in _read_csv(path):
        scores: dict[str, float] = {name: float(row[name]) for name in ("precision", "recall", "f1")}
        found.setdefault(row["label"], {"label": row["label"]})[row["split"]] = {
            "rows": int(row["rows"]),
            **scores,
        }
    return list(found.values())


def read_calibration(path: Path) -> list[tuple[float, float, float, int]]:
    """Return lower and upper edge, accuracy and rows of each bin of the validation split."""
    return [
        (float(row["lower"]), float(row["upper"]), float(row["accuracy"]), int(row["rows"]))
        for row in _read_csv(path)
        if row["split"] == "validation"
    ]


def read_temperatures(path: Path) -> list[dict[str, Any]]:
    """Return calibration without and with the temperature: two rows a split, the one at 1 first."""
    numbers = ("temperature", "expected_calibration_error", "negative_log_likelihood")
    return [{"split": row["split"], **{n: float(row[n]) for n in numbers}} for row in _read_csv(path)]


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
