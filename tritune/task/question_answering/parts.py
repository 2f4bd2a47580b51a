"""Answers as parts of their scores, an example a question."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.metrics.sums import Parts, mean_parts

_COLUMNS = {"answer_f1": "f1", "exact_match": "exact_match"}


def parts(
    evaluation: Path,
    metric: str,
    *,
    split: str,
    labels: int,  # noqa: ARG001
    objective: str,  # noqa: ARG001
) -> Parts | None:
    """Return the parts of a score of answers; None for the loss, which is one of windows.

    Arguments as in `tritune.task.text_classification.parts`.
    """
    if metric not in _COLUMNS:
        return None
    table = pq.read_table(
        evaluation / "predictions.parquet",
        columns=["id", _COLUMNS[metric]],
        filters=pc.equal(pc.field("split"), split),
    )
    return mean_parts(table.column("id").to_pylist(), table.column(_COLUMNS[metric]).to_numpy())
