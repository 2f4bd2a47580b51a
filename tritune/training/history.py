"""The learning curve of a training as a file: one row per epoch, and the training's warnings.

Columns: epoch, step, learning_rate, train_loss, validation_loss, a `validation_METRIC` for each score, and of
the fixed slice of the training rows `train_slice_loss`, `train_slice_METRIC` of the monitored metric and
`train_slice_examples`; `validation_loss_parts` and `train_slice_loss_parts`, lists that add up to the losses
(see `tritune.training.loss_parts`); `best`. Files of earlier versions have nothing of the slice and no parts.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

WHOLE_NUMBERS = ("epoch", "step", "train_slice_examples")


def write_history(
    path: Path,
    history: Sequence[Mapping[str, float]],
    *,
    parts: Sequence[Mapping[str, Sequence[float]]],
    best_epoch: int,
    warnings: Sequence[str],
) -> None:
    """Write one row per epoch; the warnings go into the schema's metadata, as JSON under `warnings`.

    Args:
        history: [epochs] numbers by name, the same names for all; one or more.
        parts: [epochs] lists of numbers by name.
        best_epoch: the epoch whose weights are kept, from 1.
    """
    columns: dict[str, pa.Array] = {}
    for name in history[0]:
        kind = pa.int32() if name in WHOLE_NUMBERS else pa.float64()
        columns[name] = pa.array([row[name] for row in history], kind)
    for name in parts[0]:
        columns[name] = pa.array([row[name] for row in parts], pa.list_(pa.float64()))
    columns["best"] = pa.array([row["epoch"] == best_epoch for row in history], pa.bool_())
    table = pa.table(columns).replace_schema_metadata({"warnings": json.dumps(warnings)})
    pq.write_table(table, path)


def read_history(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return one row per epoch, and the warnings of the training."""
    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    return table.to_pylist(), json.loads(metadata.get(b"warnings", b"[]"))
