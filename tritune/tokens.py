"""The token tables of `data/tokens`: what training and evaluation read instead of text.

One Arrow IPC file per split, columns `id`, `input_ids` (special tokens in, no padding) and `label`, and
`tokens.json` with what holds for all of them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

SPLITS = ("train", "validation", "test")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class TokenTable:
    """One split, its token ids end to end in one array, so that a batch is one gather."""

    row_ids: pa.StringArray
    """[rows] the ids of the rows, unique over all splits."""

    tokens: np.ndarray
    """[tokens] int32: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray
    """[rows + 1] int64."""

    labels: np.ndarray
    """[rows] int32: index into the list of label names."""

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """[rows] int64: tokens of each row, all above 0."""
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        """[tokens] int32: the token ids of one row."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class TokensInfo:
    """`tokens.json`: what holds for all splits."""

    task: str
    labels: list[str]
    """Names of the classes, in the order of their ids."""

    pad_token_id: int
    """The tokenizer's own pad token, or its end-of-sequence token where it has none."""

    max_length: int
    """Tokens per row at most: the setting, or the model's own limit where that is lower."""

    truncated: dict[str, int]
    """Rows that lost their end, by split."""

    rows: dict[str, int]
    tokens: dict[str, int]
    """Sum over the rows, by split; padding not counted."""


def read_tokens(path: Path) -> TokenTable:
    """Return one split.

    Raises:
        OSError, pa.ArrowInvalid: the file is missing or not what the stage `tokenize` writes.
    """
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    if table.num_rows == 0:
        empty = np.zeros(0, dtype=np.int32)
        return TokenTable(pa.array([], pa.string()), empty, np.zeros(1, dtype=np.int64), empty)
    lists = table.column("input_ids").chunk(0)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return TokenTable(
        row_ids=table.column("id").chunk(0),
        tokens=lists.values.to_numpy()[offsets[0] : offsets[-1]],
        offsets=offsets - offsets[0],
        labels=table.column("label").chunk(0).to_numpy(),
    )


def read_tokens_info(folder: Path) -> TokensInfo:
    """Return `tokens.json` of the folder that the stage `tokenize` wrote."""
    return TokensInfo(**json.loads((folder / "tokens.json").read_text(encoding="utf-8")))


def write_tokens_info(folder: Path, info: TokensInfo) -> None:
    """Write `tokens.json`: the same bytes for the same content."""
    text = json.dumps(asdict(info), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "tokens.json").write_text(text + "\n", encoding="utf-8")
