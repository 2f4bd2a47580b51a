"""Words with tags, checked and split: the part of the stage `ingest` that knows of entities."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from tritune.data.facts import facts_of
from tritune.data.rows import RawFile
from tritune.data.spool import spooled, spooled_rows
from tritune.data.tagged import read_tagged
from tritune.data.tagged_splits import tagged_profile, tagged_splits
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested

WORDS_AND_TAGS = [("tokens", pa.list_(pa.string())), ("tags", pa.list_(pa.string()))]
SCHEMA = pa.schema([("id", pa.string()), *WORDS_AND_TAGS])


def ingest(files: Mapping[str, tuple[Path, RawFile]], settings: DataSettings, *, spool: Path) -> Ingested:
    """Return the rows of each split with their tags as in the file, the tags to learn, and the profile.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired; with file, row and column.
    """
    given = {}
    for split, (path, file) in files.items():
        rows = read_tagged(path, file, settings=settings, blank_text=split == "train")
        kept = spooled(
            rows, spool / file.raw, schema=pa.schema(WORDS_AND_TAGS), values=lambda row: (row.words, row.tags)
        )
        given[split] = facts_of(kept, file)
    data = tagged_splits(given, settings=settings)
    tables = {
        split: spooled_rows(rows, spool / rows.file.raw, schema=SCHEMA, columns=lambda _, kept: kept.columns)
        for split, rows in data.cleaned.splits.items()
    }
    profile = tagged_profile(data, task="named_entity_recognition")
    return Ingested(tables=tables, labels=data.labels, profile=profile)
