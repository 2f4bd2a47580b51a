"""Labelled texts, checked and split: the part of the stage `ingest` that knows of classification."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from tritune.data.classification import classification_splits
from tritune.data.facts import Rows, facts_of
from tritune.data.profile import data_profile
from tritune.data.read import read_rows
from tritune.data.rows import RawFile, Row, separate_labels
from tritune.data.spool import spooled, spooled_rows
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested


def ingest(files: Mapping[str, tuple[Path, RawFile]], settings: DataSettings, *, spool: Path) -> Ingested:
    """Return the rows of each split, the labels and the profile.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired; with file, row and column.
    """
    given: dict[str, Rows] = {}
    trimmed: dict[str, int] = {}
    for split, (path, file) in files.items():
        given[split], trimmed[split] = _read(path, file, settings, split=split, spool=spool)
    data = classification_splits(given, settings=settings)
    tables = {split: _table(rows, settings, spool=spool) for split, rows in data.splits.items()}
    profile = data_profile(data, task="text_classification", labels_trimmed=trimmed)
    return Ingested(tables=tables, labels=data.labels, profile=profile)


def _read(path: Path, file: RawFile, settings: DataSettings, *, split: str, spool: Path) -> tuple[Rows, int]:
    """Check and spool a file. Return what is known of its rows, and how many labels were trimmed."""
    trimmed = 0

    def counted() -> Iterator[Row]:
        nonlocal trimmed
        for row in read_rows(path, file, settings, blank_text=split == "train"):
            trimmed += row.trimmed
            yield row

    kept = spooled(
        counted(),
        spool / file.raw,
        schema=pa.schema(_texts(settings)),
        values=lambda row: (row.text,) if settings.text_pair is None else (row.text, row.pair),
    )
    return facts_of(kept, file), trimmed


def _texts(settings: DataSettings) -> list[tuple[str, pa.DataType]]:
    """Return name and type of the columns of text."""
    names = ("text",) if settings.text_pair is None else ("text", "text_pair")
    return [(name, pa.string()) for name in names]


def _table(rows: Rows, settings: DataSettings, *, spool: Path) -> pa.RecordBatchReader:
    """Return `id`, `text`, `text_pair` where there are pairs, and `label`: text, or a list of texts."""
    label = pa.list_(pa.string()) if settings.multi_label else pa.string()
    schema = pa.schema([("id", pa.string()), *_texts(settings), ("label", label)])
    names = rows.facts.names
    values = pa.array([separate_labels(name) for name in names] if settings.multi_label else names, label)

    def columns(positions: np.ndarray, texts: pa.RecordBatch) -> list[pa.Array]:
        return [*texts.columns, values.take(pa.array(rows.facts.labels[positions]))]

    return spooled_rows(rows, spool / rows.file.raw, schema=schema, columns=columns)
