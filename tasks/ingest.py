"""Check the raw data once, and write one table a split that later stages can trust.

Reads `data/raw`. Writes `data/ingested`: train, validation and test as parquet (id, text, label), labels.json
(index = class id) and profile.json (what the data look like, and what was dropped and why).
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.data.classification import classification_splits
from tritune.data.files import ENDINGS, SPLITS
from tritune.data.profile import data_profile
from tritune.data.read import read_rows
from tritune.data.rows import RawFile, Row
from tritune.pipeline.context import StageContext
from tritune.settings.data import DataSettings

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("label", pa.string())])
ROW_GROUP = 100_000
"""Rows; fixed, so that the bytes depend on the rows alone."""


def run(ctx: StageContext) -> None:
    """Turn `data/raw` into `data/ingested`."""
    raw = ctx.input("data/raw")
    settings = DataSettings(**ctx.params["data"])
    given: dict[str, list[Row]] = {}
    trimmed: dict[str, int] = {}
    for split, path in _raw_files(raw).items():
        given[split], trimmed[split] = read_rows(
            path,
            RawFile(path.name, _original_name(raw, path.name)),
            text=settings.text,
            label=settings.label,
            blank_text=split == "train",
        )
    data = classification_splits(given, settings=settings)
    out = ctx.output_folder("data/ingested")
    for split, rows in data.splits.items():
        columns = [[row.id for row in rows], [row.text for row in rows], [row.label for row in rows]]
        table = pa.table([pa.array(column, pa.string()) for column in columns], schema=SCHEMA)
        pq.write_table(table, out / f"{split}.parquet", row_group_size=ROW_GROUP, compression="zstd")
    _write_json(out / "labels.json", data.labels)
    _write_json(out / "profile.json", data_profile(data, task=ctx.params["task"], labels_trimmed=trimmed))


def _raw_files(raw: Path) -> dict[str, Path]:
    candidates = {split: [raw / f"{split}{ending}" for ending in ENDINGS] for split in SPLITS}
    found = {split: [path for path in paths if path.is_file()] for split, paths in candidates.items()}
    return {split: paths[0] for split, paths in found.items() if paths}


def _original_name(raw: Path, name: str) -> str:
    """Return what the user calls the file; the name here where it was made of several or of none."""
    files = json.loads((raw / "source.json").read_text(encoding="utf-8"))["files"]
    originals = [original for original, entry in files.items() if entry["becomes"] == name]
    return originals[0] if len(originals) == 1 else name


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
