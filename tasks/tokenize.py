"""Stage `tokenize`: the ingested text as token tables.

Reads `data/ingested` (one parquet per split, labels.json) and the tokenizer in `base`.
Writes `data/tokens`: one Arrow file per split and tokens.json.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.pipeline.context import StageContext
from tritune.settings.model import TokenizeSettings
from tritune.tokenizing import TextTokenizer, load_tokenizer
from tritune.tokens import SCHEMA, SPLITS, TokensInfo, write_tokens_info

ROWS_PER_BATCH = 4096


def run(ctx: StageContext) -> None:
    """Tokenize every split, a batch of rows at a time, so that memory does not grow with the data."""
    settings = TokenizeSettings(**ctx.params["tokenize"])
    ingested = ctx.input("data/ingested")
    tokenizer = load_tokenizer(ctx.input("base"), max_length=settings.max_length)
    labels = json.loads((ingested / "labels.json").read_text(encoding="utf-8"))
    folder = ctx.output_folder("data/tokens")
    counts = {
        split: tokenize_split(
            ingested / f"{split}.parquet", folder / f"{split}.arrow", tokenizer=tokenizer, labels=labels
        )
        for split in SPLITS
    }
    info = TokensInfo(
        task=ctx.params["task"],
        labels=labels,
        pad_token_id=tokenizer.pad_token_id,
        max_length=tokenizer.max_length,
        truncated={split: truncated for split, (_, _, truncated) in counts.items()},
        rows={split: rows for split, (rows, _, _) in counts.items()},
        tokens={split: tokens for split, (_, tokens, _) in counts.items()},
    )
    write_tokens_info(folder, info)
    if tokenizer.max_length < settings.max_length:
        print(f"max_length {settings.max_length} lowered to {tokenizer.max_length}: the model reads no more")
    if tokenizer.pad_is_eos:
        print("the tokenizer has no pad token; its end-of-sequence token pads instead")
    for split, (rows, tokens, truncated) in counts.items():
        print(f"{split}: {rows} rows, {tokens} tokens, {truncated} rows cut at {tokenizer.max_length} tokens")


def tokenize_split(
    source: Path, target: Path, *, tokenizer: TextTokenizer, labels: list[str]
) -> tuple[int, int, int]:
    """Write one split as an Arrow file. Return its rows, its tokens, and its truncated rows.

    Raises:
        InputError: a text gives no token; named by its id.
    """
    label_ids = {label: index for index, label in enumerate(labels)}
    rows = tokens = truncated = 0
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for batch in pq.ParquetFile(source).iter_batches(ROWS_PER_BATCH, columns=["id", "text", "label"]):
            columns = batch.to_pydict()
            encoded = tokenizer.encode(columns["text"], row_ids=columns["id"])
            input_ids = pa.array(encoded.input_ids, SCHEMA.field("input_ids").type)
            classes = pa.array([label_ids[label] for label in columns["label"]], pa.int32())
            writer.write_batch(
                pa.record_batch([batch.column("id").cast(pa.string()), input_ids, classes], schema=SCHEMA)
            )
            rows += batch.num_rows
            tokens += len(input_ids.values)
            truncated += encoded.truncated
    return rows, tokens, truncated
