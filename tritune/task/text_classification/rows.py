"""Labelled texts, checked and split: the part of the stage `ingest` that knows of classification."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from tritune.data.classification import classification_splits
from tritune.data.profile import data_profile
from tritune.data.read import read_rows
from tritune.data.rows import RawFile, Row
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested


def ingest(files: Mapping[str, tuple[Path, RawFile]], settings: DataSettings) -> Ingested:
    """Return the rows of each split, the labels and the profile.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired; with file, row and column.
    """
    given: dict[str, list[Row]] = {}
    trimmed: dict[str, int] = {}
    for split, (path, file) in files.items():
        given[split], trimmed[split] = read_rows(path, file, settings, blank_text=split == "train")
    data = classification_splits(given, settings=settings)
    tables = {split: _table(rows, settings) for split, rows in data.splits.items()}
    profile = data_profile(data, task="text_classification", labels_trimmed=trimmed)
    return Ingested(tables=tables, labels=data.labels, profile=profile)


def _table(rows: Sequence[Row], settings: DataSettings) -> pa.Table:
    """Return `id`, `text`, `text_pair` where there are pairs, and `label`: text, or a list of texts."""
    columns = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "text": pa.array([row.text for row in rows], pa.string()),
    }
    if settings.text_pair is not None:
        columns["text_pair"] = pa.array([row.pair for row in rows], pa.string())
    if settings.multi_label:
        columns["label"] = pa.array([row.labels for row in rows], pa.list_(pa.string()))
    else:
        columns["label"] = pa.array([row.label for row in rows], pa.string())
    return pa.table(columns)
