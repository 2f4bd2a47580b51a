"""Stage `evaluate`: one checkpoint on the validation and the test split.

Reads `checkpoints/METHOD-SEED` and `data/tokens`. Writes `metrics/METHOD-SEED.json`, and into
`evaluations/METHOD-SEED` every prediction, scores per class, the confusion of the test split for `dvc plots`,
calibration, and what it was computed with.
"""

import csv
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers.utils.logging import disable_progress_bar

from tritune.compute import prepare_torch
from tritune.errors import InputError
from tritune.inference import predict_logits
from tritune.metrics.calibration import reliability_bins
from tritune.metrics.classification import class_scores, classification_metrics, softmax
from tritune.models.finetuned import load_finetuned
from tritune.pipeline.context import StageContext
from tritune.settings.train import ComputeSettings
from tritune.tokens import TokenTable, read_tokens, read_tokens_info
from tritune.versions import installed_versions

EVALUATED = ("validation", "test")

PREDICTIONS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
    ]
)


def run(ctx: StageContext) -> None:
    """Predict every row once and score the predictions.

    Raises:
        InputError: The checkpoint's labels are not the tokens' labels, or a split has no rows.
    """
    name = f"{ctx.item['method']}-{ctx.item['seed']}"
    compute = ComputeSettings(**ctx.params["compute"])
    tokens = ctx.input("data/tokens")
    info = read_tokens_info(tokens)
    if info.task != ctx.params["task"]:
        raise InputError(
            f"{tokens} holds the task {info.task}, but params.yaml has task: {ctx.params['task']}"
        )
    checkpoint = ctx.input(f"checkpoints/{name}")
    splits = {split: read_tokens(tokens / f"{split}.arrow") for split in EVALUATED}
    for split, table in splits.items():
        if table.rows == 0:
            raise InputError(f"the {split} split has no rows to evaluate on; see data/ingested/profile.json")
    device = prepare_torch(compute)
    disable_progress_bar()  # a log is no place for transformers' bar
    model, labels = load_finetuned(checkpoint)
    if labels != info.labels:
        raise InputError(
            f"{checkpoint} knows {len(labels)} labels and {tokens} {len(info.labels)}, or in another order; "
            "train again with `tritune run`"
        )
    model.to(device)

    started = time.monotonic()
    probabilities = {
        split: softmax(
            predict_logits(
                model, table, pad_token_id=info.pad_token_id, device=device, precision=compute.precision
            )
        )
        for split, table in splits.items()
    }
    seconds = time.monotonic() - started
    rows = sum(table.rows for table in splits.values())
    ctx.measurements.update(
        prediction_seconds=seconds, examples_per_second=rows / seconds if seconds > 0 else None
    )

    scores = {
        split: classification_metrics(table.labels, probabilities[split]) for split, table in splits.items()
    }
    folder = ctx.output_folder(f"evaluations/{name}")
    write_predictions(folder / "predictions.parquet", splits, probabilities)
    write_per_class(folder / "per_class.csv", splits, probabilities, labels=labels)
    test = probabilities["test"].argmax(axis=1)
    write_csv(
        folder / "confusion.csv",
        ("actual", "predicted"),
        ((labels[a], labels[p]) for a, p in zip(splits["test"].labels, test, strict=True)),
    )
    write_calibration(folder / "calibration.csv", splits, probabilities)
    write_json(folder / "made_with.json", {"compute": compute.model_dump(), "versions": installed_versions()})
    write_json(ctx.output_file(f"metrics/{name}.json"), scores)
    for split, values in scores.items():
        print(f"{split}: accuracy {values['accuracy']:.4f}, macro F1 {values['macro_f1']:.4f}")


def write_predictions(
    path: Path, splits: dict[str, TokenTable], probabilities: dict[str, np.ndarray]
) -> None:
    """Write one row per evaluated row, validation first, in the order of the tokens."""
    parts = []
    for split, table in splits.items():
        classes = probabilities[split].shape[1]
        flat = probabilities[split].reshape(-1)
        offsets = np.arange(0, len(flat) + 1, classes, dtype=np.int32)
        columns = [
            pa.array([split] * table.rows, pa.string()),
            table.row_ids,
            pa.array(table.labels, pa.int32()),
            pa.array(probabilities[split].argmax(axis=1).astype(np.int32)),
            pa.ListArray.from_arrays(offsets, flat),
        ]
        parts.append(pa.table(columns, schema=PREDICTIONS))
    pq.write_table(pa.concat_tables(parts), path, compression="zstd", use_dictionary=["split"])


def write_per_class(
    path: Path, splits: dict[str, TokenTable], probabilities: dict[str, np.ndarray], *, labels: Sequence[str]
) -> None:
    """Write one row per split and class, in the order of the class ids."""
    rows: list[tuple[Any, ...]] = [
        (split, labels[row.class_id], row.rows, row.predicted, row.precision, row.recall, row.f1)
        for split, table in splits.items()
        for row in class_scores(table.labels, probabilities[split])
    ]
    write_csv(path, ("split", "label", "rows", "predicted", "precision", "recall", "f1"), rows)


def write_calibration(
    path: Path, splits: dict[str, TokenTable], probabilities: dict[str, np.ndarray]
) -> None:
    """Write one row per split and bin of confidence, lowest first."""
    rows: list[tuple[Any, ...]] = [
        (split, row.lower, row.upper, row.rows, row.confidence, row.accuracy)
        for split, table in splits.items()
        for row in reliability_bins(table.labels, probabilities[split])
    ]
    write_csv(path, ("split", "lower", "upper", "rows", "confidence", "accuracy"), rows)


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a csv with numbers in full precision; the same bytes on every system."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
