"""What the stage `ingest` wrote, as retraining looks at it: texts with their labels, whatever the task."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.tags import entities

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Example:
    """One row of the data."""

    text: str
    labels: tuple[str, ...] = ()
    """Its label or labels, or the types of its entities, as often as they occur."""

    content: str = ""
    """Hash of all that it holds (answers, tags, roles, its split) but its id: what makes it the same row."""


@dataclass(frozen=True)
class Ingested:
    """Checked data of one version."""

    columns: Mapping[str, str]
    """Name -> type of the training table's columns."""

    labels: Sequence[str]
    """Names of the classes or tags; empty where the task has none."""

    splits: Mapping[str, Sequence[Example]]

    @property
    def examples(self) -> list[Example]:
        """All rows, split by split."""
        return [one for split in SPLITS for one in self.splits[split]]

    @property
    def rows_per_class(self) -> Counter[str]:
        """Training rows (or entities) of each class."""
        return Counter(label for one in self.splits["train"] for label in one.labels)


def read_ingested(folder: Path) -> Ingested:
    """Return the content of a `data/ingested`."""
    tables = {split: pq.read_table(folder / f"{split}.parquet") for split in SPLITS}
    return Ingested(
        columns={field.name: str(field.type) for field in tables["train"].schema},
        labels=json.loads((folder / "labels.json").read_text(encoding="utf-8")),
        splits={split: [_example(row, split) for row in _rows(table)] for split, table in tables.items()},
    )


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.drop_columns(["id"]).to_pylist()
    return rows


def _example(row: Mapping[str, Any], split: str) -> Example:
    content = hashlib.sha256(json.dumps([split, row], sort_keys=True).encode()).hexdigest()
    return Example(*_text_and_labels(row), content)


def _text_and_labels(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if "tags" in row:
        return " ".join(row["tokens"]), tuple(one.type for one in entities(row["tags"]))
    if "question" in row:
        answered = "with an answer" if row["answers"] else "without an answer"
        return f"{row['question']}\n{row['context']}", (answered,)
    if "messages" in row:
        return "\n".join(turn["content"] for turn in row["messages"]), ()
    label = row["label"]
    text = "\n".join(filter(None, (row["text"], row.get("text_pair"))))
    return text, tuple(label) if isinstance(label, list) else (label,)
