"""Words with tags, checked and split: the part of the stage `ingest` that knows of entities."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from tritune.data.rows import RawFile
from tritune.data.tagged import read_tagged
from tritune.data.tagged_splits import tagged_profile, tagged_splits
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested

SCHEMA = pa.schema([("id", pa.string()), ("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string()))])


def ingest(files: Mapping[str, tuple[Path, RawFile]], settings: DataSettings) -> Ingested:
    """Return the rows of each split with their tags as in the file, the tags to learn, and the profile.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired; with file, row and column.
    """
    given = {
        split: read_tagged(path, file, settings=settings, blank_text=split == "train")
        for split, (path, file) in files.items()
    }
    data = tagged_splits(given, settings=settings)
    tables = {
        split: pa.table(
            {
                "id": [row.id for row in rows],
                "tokens": [row.words for row in rows],
                "tags": [row.tags for row in rows],
            },
            schema=SCHEMA,
        )
        for split, rows in data.cleaned.splits.items()
    }
    profile = tagged_profile(data, task="named_entity_recognition")
    return Ingested(tables=tables, labels=data.labels, profile=profile)
