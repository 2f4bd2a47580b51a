"""Bring data and base model into the project, where DVC keeps them; nothing later reads outside.

Writes `data/raw` (one file a split as it was found, and `source.json`: which file became what) and `base`: a
copy of the model, or what is made of it once, out of a GGUF file or two encoders.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tritune.address import HUB
from tritune.data.chatterbot import dialogue_rows, topic_rows
from tritune.data.chitchat import chitchat_rows
from tritune.data.fingerprint import RECORD, source_files, source_record
from tritune.data.hub import download_splits
from tritune.errors import InputError
from tritune.models.base import locate_base, write_base
from tritune.pipeline.context import StageContext
from tritune.settings.model import ModelSettings


def run(ctx: StageContext) -> None:
    """Fetch what `data.source` and the section `model` name; both are checked before anything is written."""
    root = Path()
    data_source, settings = ctx.params["data.source"], ModelSettings.model_validate(ctx.params["model"])
    files = source_files(data_source, root=root)
    model = locate_base(settings, root=root)
    record = source_record(data_source, root=root)
    raw = ctx.output_folder("data/raw")
    if data_source.startswith(HUB):
        downloaded = download_splits(data_source)
        for split, table in downloaded.tables.items():
            pq.write_table(table, raw / f"{split}.parquet", compression="zstd", store_schema=False)
        record["ignored_splits"] = downloaded.ignored
    elif files[0][1] == "train.jsonl" and files[0][0].suffix.lower() in {".yml", ".yaml", ".json"}:
        with (raw / "train.jsonl").open("w", encoding="utf-8", newline="\n") as target:
            for row in conversation_rows([file for file, _ in files], task=ctx.params["task"]):
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        for file, name in files:
            shutil.copyfile(file, raw / name)
    (raw / RECORD).write_text(
        json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    write_base(model, ctx.output_folder("base"))


def conversation_rows(files: Sequence[Path], *, task: str) -> Iterator[Mapping[str, Any]]:
    """Return a corpus of conversations in the form that the task reads.

    Raises:
        InputError: The task can't be had from conversations, or a file is malformed.
    """
    is_json = files[0].suffix.lower() == ".json"
    if task == "dialogue":
        return chitchat_rows(files[0]) if is_json else dialogue_rows(files)
    if is_json:
        raise InputError(
            f"data.source: {files[0].name}: these are conversations, which do for task: dialogue; for "
            f"task: {task} give a csv, tsv, jsonl or parquet file"
        )
    return topic_rows(files)
