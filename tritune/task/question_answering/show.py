"""Question answering's part of the report: scores by kind of question, and wrong answers in context."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.question_answering.excerpt import excerpt
from tritune.task.contract import Floor, Shipped

SHOWN = 12
"""Wrong answers."""


def floor(profile: Mapping[str, Any], labels: Sequence[str]) -> Floor | None:  # noqa: ARG001
    """Return what always saying "no answer" scores; None where every question has an answer."""
    parts = {split: profile["splits"][split] for split in ("validation", "test")}
    shares = {split: part["without_answer"] / part["rows"] for split, part in parts.items()}
    if not any(shares.values()):
        return None
    return Floor(
        name="always “no answer”",
        scores={split: {"answer_f1": share, "exact_match": share} for split, share in shares.items()},
    )


def cautions(name: str, shipped: Shipped) -> list[str]:
    """Return what to know before trusting the scores: no better than saying nothing, answers out of reach."""
    found = []
    own, least = shipped.scores["validation"]["answer_f1"], shipped.floor
    if least is not None and own <= least.scores["validation"]["answer_f1"]:
        found.append(
            f"{name} is no better than always saying that there is no answer: validation F1 {own:.3f} "
            f"against {least.scores['validation']['answer_f1']:.3f}. Train for longer, or try another "
            "learning rate."
        )
    elif least is None and own == 0:
        found.append(
            f"{name} has no word of any answer right on the validation split: it has learnt nothing."
        )
    for split in ("validation", "test"):
        answers = shipped.profile["splits"][split]["answers"]
        if missing := answers["not_in_context"]:
            found.append(
                f"{missing:,} of {answers['given']:,} gold answers of the {split} split are not in their "
                "context, so that no model can give them. They count all the same."
            )
    return found


def data_columns(part: Mapping[str, Any]) -> Mapping[str, int]:
    """Return what the table of splits tells besides rows, contexts and their lengths."""
    return {"without an answer": part["without_answer"], "gold answers": part["answers"]["given"]}


def block(shipped: Shipped) -> Mapping[str, Any]:
    """Return the variables of `show.html.j2`."""
    predictions = pq.read_table(shipped.evaluation / "predictions.parquet")
    rows = predictions.filter(pc.equal(predictions.column("split"), "validation")).to_pylist()
    wrong = [row for row in rows if row["exact_match"] < 1]
    wrong.sort(key=lambda row: (row["f1"] > 0, -row["probability"], row["id"]))
    shown = wrong[:SHOWN]
    places = _places(shipped.ingested / "validation.parquet", {row["id"] for row in shown})
    return {
        "groups": read_groups(shipped.evaluation / "groups.csv"),
        "kinds": Counter(kind_of_mistake(row) for row in wrong).most_common(),
        "questions": len(rows),
        "mistakes": [_mistake(row, places[row["id"]]) for row in shown],
        "written": shipped.objective != "spans",
    }


def kind_of_mistake(row: Mapping[str, Any]) -> str:
    """Return in words what is wrong with an answer that is not exactly right."""
    if not row["answers"]:
        return "answered, though there is no answer"
    if not row["predicted"]:
        return "found no answer, though there is one"
    return (
        "partly right words"
        if row["f1"] > 0
        else "a wrong place"
        if row["start"] is not None
        else "wrong words"
    )


def read_groups(path: Path) -> list[dict[str, Any]]:
    """Return one row per group: by what, its name, and `validation` and `test` with questions, exact match,
    F1."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            group = found.setdefault(
                (row["by"], row["group"]),
                {"by": row["by"], "group": row["group"], "validation": None, "test": None},
            )
            group[row["split"]] = {
                "questions": int(row["questions"]),
                "exact_match": float(row["exact_match"]),
                "f1": float(row["f1"]),
            }
    order = list(dict.fromkeys(by for by, _ in found))
    return sorted(found.values(), key=lambda group: order.index(group["by"]))


def _mistake(row: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    golds = [(s, e) for s, e in zip(place["starts"], place["ends"], strict=True) if s >= 0]
    said = None if row["start"] is None else (row["start"], row["end"])
    return {
        "id": row["id"],
        "question": row["question"],
        "answers": list(dict.fromkeys(row["answers"])),
        "predicted": row["predicted"],
        "probability": row["probability"],
        "f1": row["f1"],
        "pieces": excerpt(place["context"], gold=golds[0] if golds else None, said=said),
    }


def _places(path: Path, row_ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return context and gold spans of some questions by their ids, without holding all contexts."""
    found: dict[str, dict[str, Any]] = {}
    for batch in pq.ParquetFile(path).iter_batches(4096, columns=["id", "context", "starts", "ends"]):
        for row in batch.to_pylist():
            if row["id"] in row_ids:
                found[row["id"]] = row
    return found
