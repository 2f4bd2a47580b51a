"""Stage `tokenize`: the ingested rows as token tables.

Reads `data/ingested` (one parquet per split, labels.json) and the tokenizer and config in `base`.
Writes `data/tokens`: one Arrow file per split, tokens.json, and in a folder `model` what the encoding adds to
the model's own files, such as a chat template.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoConfig

from tritune.families import family_of, objective_of
from tritune.pipeline.context import StageContext
from tritune.settings.model import TokenizeSettings
from tritune.task.contract import Encoder, task_module
from tritune.tokenizing import load_tokenizer
from tritune.tokens import MODEL_FILES, SPLITS, TokensInfo, write_tokens_info

ROWS_PER_BATCH = 4096


def run(ctx: StageContext) -> None:
    """Tokenize every split, a batch of rows at a time, so that memory does not grow with the data.

    Raises:
        InputError: The model is of a family that can't do the task, or a row can't be encoded.
    """
    task = ctx.params["task"]
    settings = TokenizeSettings(**ctx.params["tokenize"])
    ingested, base = ctx.input("data/ingested"), ctx.input("base")
    config = AutoConfig.from_pretrained(str(base), local_files_only=True, trust_remote_code=False)
    objective = objective_of(task, family_of(config), multi_label=_has_lists_of_labels(ingested))
    wanted = settings.length_for(task)
    tokenizer = load_tokenizer(base, max_length=wanted)
    names = json.loads((ingested / "labels.json").read_text(encoding="utf-8"))
    encoder: Encoder = task_module(task, "encode").encoder(
        tokenizer,
        settings,
        labels=names,
        objective=objective,
        given=pq.read_schema(ingested / "train.parquet").names,
    )
    folder = ctx.output_folder("data/tokens")
    for name, text in getattr(encoder, "files", {}).items():
        (folder / MODEL_FILES).mkdir(exist_ok=True)
        (folder / MODEL_FILES / name).write_text(text, encoding="utf-8")
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    sizes = {
        split: tokenize_split(
            ingested / f"{split}.parquet", folder / f"{split}.arrow", encoder=encoder, counts=counts[split]
        )
        for split in SPLITS
    }
    # A decoder of its own reads what it is to write; elsewhere labels lie on tokens that are counted already.
    with_decoder = objective == "sequence_to_sequence"
    info = TokensInfo(
        task=task,
        objective=objective,
        inputs=list(encoder.inputs),
        answering=dict(encoder.answering),
        labels=names,
        pad_token_id=tokenizer.pad_token_id,
        max_length=tokenizer.max_length,
        examples={split: examples for split, (examples, _, _, _) in sizes.items()},
        rows={split: rows for split, (_, rows, _, _) in sizes.items()},
        tokens={split: tokens + with_decoder * labels for split, (_, _, tokens, labels) in sizes.items()},
        counts=counts,
    )
    write_tokens_info(folder, info)
    if tokenizer.max_length < wanted:
        print(f"max_length {wanted} lowered to {tokenizer.max_length}: the model reads no more")
    if tokenizer.pad_is_eos:
        print("the tokenizer has no pad token; its end-of-sequence token pads instead")
    for split in SPLITS:
        noted = "".join(f", {number} {name.replace('_', ' ')}" for name, number in counts[split].items())
        print(
            f"{split}: {info.examples[split]} examples in {info.rows[split]} rows of at most "
            f"{tokenizer.max_length} tokens, {info.tokens[split]} tokens{noted}"
        )


def tokenize_split(
    source: Path, target: Path, *, encoder: Encoder, counts: dict[str, int]
) -> tuple[int, int, int, int]:
    """Write one split as an Arrow file. Return its examples, its rows, its tokens, and its listed labels.

    Raises:
        InputError: an example can't be encoded; named by its id.
    """
    examples = rows = tokens = labels = 0
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, encoder.schema) as writer:
        for batch in pq.ParquetFile(source).iter_batches(ROWS_PER_BATCH, columns=list(encoder.columns)):
            encoded = encoder.encode(batch.to_pydict(), counts)
            writer.write_batch(encoded)
            examples += batch.num_rows
            rows += encoded.num_rows
            tokens += len(encoded.column("input_ids").values)
            if pa.types.is_list(encoded.column("labels").type):
                labels += len(encoded.column("labels").values)
    return examples, rows, tokens, labels


def _has_lists_of_labels(ingested: Path) -> bool:
    schema = pq.read_schema(ingested / "train.parquet")
    return "label" in schema.names and pa.types.is_list(schema.field("label").type)
