"""Check the raw data once, and write one table a split that later stages can trust.

Reads `data/raw`. Writes `data/ingested`: train, validation and test as parquet (`id`, and the task's own
columns), labels.json (index = id of the class or tag) and profile.json (what the data look like, and what was
dropped and why).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.data.files import RAW_ENDINGS, SPLITS
from tritune.data.rows import RawFile
from tritune.pipeline.context import StageContext
from tritune.settings.data import DataSettings
from tritune.task.contract import task_module

ROW_GROUP = 100_000
"""Rows; fixed, so that the bytes depend on the rows alone."""


def run(ctx: StageContext) -> None:
    """Turn `data/raw` into `data/ingested`."""
    settings = DataSettings(**ctx.params["data"])
    spool = ctx.scratch / "rows"
    spool.mkdir(parents=True, exist_ok=True)
    data = task_module(ctx.params["task"], "rows").ingest(
        _raw_files(ctx.input("data/raw")), settings, spool=spool
    )
    out = ctx.output_folder("data/ingested")
    for split, table in data.tables.items():
        batches = table.to_reader() if isinstance(table, pa.Table) else table
        write_parquet(out / f"{split}.parquet", batches)
    _write_json(out / "labels.json", data.labels)
    _write_json(out / "profile.json", data.profile)


def write_parquet(path: Path, batches: pa.RecordBatchReader) -> None:
    """Write a table that need not be in memory as a whole; the bytes do not depend on how it is cut."""
    with pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
        for group in _row_groups(batches):
            # Where a page ends depends on where the chunks of a column do.
            writer.write_table(group.combine_chunks(), row_group_size=ROW_GROUP)


def _row_groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield tables of `ROW_GROUP` rows; the last may have fewer."""
    held, rows = [], 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(held)
            yield table.slice(0, ROW_GROUP)
            held, rows = table.slice(ROW_GROUP).to_batches(), rows - ROW_GROUP
    if held:
        yield pa.Table.from_batches(held)


def _raw_files(raw: Path) -> dict[str, tuple[Path, RawFile]]:
    candidates = {split: [raw / f"{split}{ending}" for ending in RAW_ENDINGS] for split in SPLITS}
    found = {split: [path for path in paths if path.is_file()] for split, paths in candidates.items()}
    return {
        split: (paths[0], RawFile(paths[0].name, _original_name(raw, paths[0].name)))
        for split, paths in found.items()
        if paths
    }


def _original_name(raw: Path, name: str) -> str:
    """Return what the user calls the file; the name here where it was made of several or of none."""
    files = json.loads((raw / "source.json").read_text(encoding="utf-8"))["files"]
    originals = [original for original, entry in files.items() if entry["becomes"] == name]
    return originals[0] if len(originals) == 1 else name


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
