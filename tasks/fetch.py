"""Bring data and base model into the project, where DVC keeps them; nothing later reads outside.

Writes `data/raw` (one file a split as it was found, and `source.json`: which file became what) and `base`.
"""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from tritune.address import HUB
from tritune.data.chatterbot import topic_rows
from tritune.data.fingerprint import RECORD, source_files, source_record
from tritune.data.hub import download_splits
from tritune.models.source import copy_model, locate_model
from tritune.pipeline.context import StageContext


def run(ctx: StageContext) -> None:
    """Fetch what `data.source` and `model.source` name; both are checked before anything is written."""
    root = Path()
    data_source, model_source = ctx.params["data.source"], ctx.params["model.source"]
    files = source_files(data_source, root=root)
    model = locate_model(model_source, root=root)
    record = source_record(data_source, root=root)
    raw = ctx.output_folder("data/raw")
    if data_source.startswith(HUB):
        downloaded = download_splits(data_source)
        for split, table in downloaded.tables.items():
            pq.write_table(table, raw / f"{split}.parquet", compression="zstd", store_schema=False)
        record["ignored_splits"] = downloaded.ignored
    elif files[0][0].suffix.lower() in {".yml", ".yaml"}:
        with (raw / "train.jsonl").open("w", encoding="utf-8", newline="\n") as target:
            for row in topic_rows([file for file, _ in files]):
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        for file, name in files:
            shutil.copyfile(file, raw / name)
    (raw / RECORD).write_text(
        json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    copy_model(model, ctx.output_folder("base"))
