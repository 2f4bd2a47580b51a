"""A fixed slice of the training rows, scored after each epoch as the validation rows are: in evaluation mode.

The running mean of the training loss has dropout in it and lags half an epoch behind, so it cannot stand
beside a validation loss. The slice is a function of the data alone: the same examples for every method, seed
and epoch.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.outputs import Outputs
from tritune.task.contract import Split
from tritune.tokens import TokenTable

MOST_EXAMPLES = 400
FEWEST_EXAMPLES = 100
"""Where there are so many. Fewer would tell little, and then the whole training takes but a moment."""

SHARE_OF_TRAINING = 0.1
"""Of the training examples, at most. A step costs about three times what asking does, so it takes a thirtieth
of an epoch's time."""


@dataclass(frozen=True)
class TrainSlice:
    """What the training loop needs to score the slice."""

    rows: np.ndarray
    """[n] int64, ascending: which rows of the training table; all windows of an example are among them."""

    table: TokenTable
    """These rows."""

    score: Callable[[Outputs], Mapping[str, float]]
    """As for the validation split."""

    @property
    def examples(self) -> int:
        return len(pc.unique(self.table.row_ids))


def slice_size(training: int, validation: int) -> int:
    """Return how many training examples are watched: about as many as the validation split has.

    Args:
        training: examples of the training split.
        validation: examples of the validation split.
    """
    most = min(validation, MOST_EXAMPLES, int(SHARE_OF_TRAINING * training))
    return min(training, max(FEWEST_EXAMPLES, most))


def slice_rows(training: TokenTable, validation: TokenTable) -> np.ndarray:
    """Return the row numbers of the slice, ascending: examples by chance, but the same every time.

    Where an example has one label, each label has its share of the slice, give or take one example.
    """
    ids = pc.unique(training.row_ids)
    size = slice_size(len(ids), len(pc.unique(validation.row_ids)))
    chance = {each: hashlib.sha256(each.encode()).digest() for each in ids.to_pylist()}
    if training.label_offsets is None:
        label = dict(zip(training.row_ids.to_pylist(), training.labels.tolist(), strict=True))
        ordered = sorted(chance, key=lambda each: (label[each], chance[each]))
    else:
        ordered = sorted(chance, key=chance.__getitem__)
    # Evenly along the order: as many of each label as its share is.
    chosen = [ordered[int((place + 0.5) * len(ordered) / size)] for place in range(size)]
    inside = pc.is_in(training.row_ids, value_set=pa.array(chosen, pa.string()))
    return np.flatnonzero(inside.to_numpy(zero_copy_only=False))


def write_slice(training: Split, rows: np.ndarray, folder: Path) -> Split:
    """Write the slice as a split of its own, so that a task scores it as any other, and return it.

    Args:
        training: the split that it is cut from.
        rows: as `slice_rows` gives them.
        folder: made if it is not there; what an earlier run left there is written over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = Split("train_slice", folder / "train_slice.arrow", folder / "train_slice.parquet")
    with pa.memory_map(str(training.tokens)) as source:
        tokens = pa.ipc.open_file(source).read_all().take(rows)
        with pa.OSFile(str(found.tokens), "wb") as sink, pa.ipc.new_file(sink, tokens.schema) as writer:
            writer.write_table(tokens)
    gold = pq.read_table(training.gold)
    inside = pc.is_in(gold.column("id"), value_set=pc.unique(tokens.column("id")))
    pq.write_table(gold.filter(inside), found.gold)
    return found
