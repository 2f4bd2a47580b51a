"""Check the raw data once, and write one table a split that later stages can trust.

Reads `data/raw`. Writes `data/ingested`: train, validation and test as parquet (`id`, and the task's own
columns), labels.json (index = id of the class or tag) and profile.json (what the data look like, and what was
dropped and why).
"""

import json
from pathlib import Path
from typing import Any

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
    data = task_module(ctx.params["task"], "rows").ingest(_raw_files(ctx.input("data/raw")), settings)
    out = ctx.output_folder("data/ingested")
    for split, table in data.tables.items():
        pq.write_table(table, out / f"{split}.parquet", row_group_size=ROW_GROUP, compression="zstd")
    _write_json(out / "labels.json", data.labels)
    _write_json(out / "profile.json", data.profile)


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
