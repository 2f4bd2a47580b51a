"""The token tables of `data/tokens`: what training and evaluation read instead of text.

One Arrow IPC file per split and `tokens.json` with what holds for all of them. A row is one input of the
model: an example, or a window of an example that is too long. Columns:

- `id`: of the example, as in `data/ingested`; windows of one example share it and lie next to each other.
- `input_ids`: special tokens in, no padding.
- `labels`: what the model should answer, as the objective reads it: a number per row, or a list per row.
- `token_type_ids`, where the model tells a first from a second text by them.
- columns of the task's own, which lead from tokens back to the text; `read_column` gives them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tritune.errors import InputError

SPLITS = ("train", "validation", "test")

MODEL_FILES = "model"
"""Folder beside the tables with files that belong beside the fine-tuned model; only where there are any."""

IGNORED = -100
"""A label that takes no part in the loss; the padding of lists of labels."""


def token_schema(
    *, listed_labels: bool, token_types: bool = False, own: Mapping[str, pa.DataType] | None = None
) -> pa.Schema:
    """Return the schema of a token table.

    Args:
        listed_labels: Whether a row has a list of labels rather than one.
        token_types: Whether rows tell a first from a second text.
        own: Further columns of the task.
    """
    labels = pa.list_(pa.int32()) if listed_labels else pa.int32()
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("labels", labels, nullable=False),
        *([pa.field("token_type_ids", pa.list_(pa.int8()), nullable=False)] if token_types else []),
        *(pa.field(name, kind, nullable=False) for name, kind in (own or {}).items()),
    ]
    return pa.schema(fields)


@dataclass(frozen=True)
class TokenTable:
    """One split, its token ids end to end in one array, so that a batch is one gather."""

    row_ids: pa.StringArray
    """[rows] the ids of the examples."""

    tokens: np.ndarray
    """[tokens] int32: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray
    """[rows + 1] int64."""

    labels: np.ndarray
    """int32: [rows], or, with `label_offsets`, all rows' lists end to end."""

    label_offsets: np.ndarray | None = None
    """[rows + 1] int64: row i's list is `labels[label_offsets[i]:label_offsets[i + 1]]`."""

    token_types: np.ndarray | None = None
    """[tokens] int8."""

    prefix_output: np.ndarray | None = None
    """[tokens, width] what the frozen lowest layers make of them; see `tritune.training.stored_prefix`."""

    prefix_starts: np.ndarray | None = None
    """[rows] int64: where each row begins in `prefix_output`, which may be that of a larger table; None:
    where it begins in `tokens`."""

    packed: bool = False
    """Whether the model takes batches without their padding; see `tritune.training.packing`."""

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """[rows] int64: tokens of each row, all above 0."""
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        """[tokens] int32: the token ids of one row."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def row_labels(self, index: int) -> np.ndarray:
        """int32: the list of labels of one row, of one element where each row has one."""
        offsets = self.label_offsets
        return self.labels[index : index + 1] if offsets is None else self.labels[slice(*offsets[index:][:2])]


@dataclass(frozen=True)
class TokensInfo:
    """`tokens.json`: what holds for all splits."""

    task: str
    objective: str
    """What the model is trained for; see `tritune.objectives`."""

    inputs: list[str]
    """What a new example has to have to be answered: `["text"]`, `["question", "context"]`."""

    answering: dict[str, Any]
    """What else is needed to treat a new example as the training's were."""

    labels: list[str]
    """Names of the classes or tags, in the order of their ids; empty where the task has none."""

    pad_token_id: int
    """The tokenizer's own pad token, or its end-of-sequence token where it has none."""

    max_length: int
    """Tokens per row at most: the setting, or the model's own limit where that is lower."""

    examples: dict[str, int]
    """Examples, by split."""

    rows: dict[str, int]
    """Rows, by split: more than examples where long ones became windows."""

    tokens: dict[str, int]
    """Sum over the rows, by split; padding not counted. What a decoder is to write counts too."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """What happened on the way, by split and name: `truncated` examples, `unreachable` answers, ..."""


def read_tokens(path: Path) -> TokenTable:
    """Return one split.

    Raises:
        OSError, pa.ArrowInvalid: the file is missing or not what the stage `tokenize` writes.
    """
    table = _read(path)
    tokens, offsets = _flat(table, "input_ids", np.int32)
    types = _flat(table, "token_type_ids", np.int8)[0] if "token_type_ids" in table.column_names else None
    listed = pa.types.is_list(table.schema.field("labels").type)
    labels, label_offsets = _flat(table, "labels", np.int32) if listed else (_scalars(table, "labels"), None)
    return TokenTable(
        row_ids=_chunk(table, "id") if table.num_rows else pa.array([], pa.string()),
        tokens=tokens,
        offsets=offsets,
        labels=labels,
        label_offsets=label_offsets,
        token_types=types,
    )


def read_column(path: Path, name: str) -> np.ndarray:
    """Return one of the task's own columns; lists end to end, so that one number per token is [tokens].

    Raises:
        KeyError: the split has no such column.
    """
    table = _read(path)
    if pa.types.is_list(table.schema.field(name).type):
        return _flat(table, name, table.schema.field(name).type.value_type.to_pandas_dtype())[0]
    return _scalars(table, name)


def read_tokens_info(folder: Path) -> TokensInfo:
    """Return `tokens.json` of the folder that the stage `tokenize` wrote."""
    return TokensInfo(**json.loads((folder / "tokens.json").read_text(encoding="utf-8")))


def tokens_info_for(task: str, folder: Path) -> TokensInfo:
    """Return `tokens.json` of tokens that are to be of a task.

    Raises:
        InputError: They are of another.
    """
    info = read_tokens_info(folder)
    if info.task != task:
        raise InputError(f"{folder} holds the task {info.task}, but params.yaml has task: {task}")
    return info


def write_tokens_info(folder: Path, info: TokensInfo) -> None:
    """Write `tokens.json`: the same bytes for the same content."""
    text = json.dumps(asdict(info), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "tokens.json").write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().combine_chunks()


def _chunk(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).chunk(0)


def _scalars(table: pa.Table, name: str) -> np.ndarray:
    kind = table.schema.field(name).type.to_pandas_dtype()
    return _chunk(table, name).to_numpy() if table.num_rows else np.zeros(0, dtype=kind)


def _flat(table: pa.Table, name: str, kind: type) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of lists end to end, and where each begins."""
    if table.num_rows == 0:
        return np.zeros(0, dtype=kind), np.zeros(1, dtype=np.int64)
    lists = _chunk(table, name)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return lists.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0]
