"""A tagger's predictions as parts of its scores, an example a text."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.metrics.sums import Parts, count_parts, mean_parts
from tritune.tags import entities

_COUNTED = {"entity_f1": "micro_f1", "entity_precision": "precision", "entity_recall": "recall"}


def parts(
    evaluation: Path,
    metric: str,
    *,
    split: str,
    labels: int,  # noqa: ARG001
    objective: str,  # noqa: ARG001
) -> Parts | None:
    """Return the parts of a score of entities or of words; None for the loss, which is one of tokens.

    Arguments as in `tritune.task.text_classification.parts`.
    """
    table = pq.read_table(
        evaluation / "predictions.parquet",
        columns=["id", "tags", "predicted"],
        filters=pc.equal(pc.field("split"), split),
    )
    ids, gold, predicted = (table.column(name).to_pylist() for name in ("id", "tags", "predicted"))
    pairs = list(zip(gold, predicted, strict=True))
    if metric == "accuracy":
        right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
        return mean_parts(ids, np.array(right), np.array([len(tags) for tags in gold]))
    if metric in _COUNTED:
        found = [(set(entities(tags)), set(entities(said))) for tags, said in pairs]
        correct, given, has = np.array([(len(a & b), len(b), len(a)) for a, b in found]).reshape(-1, 3).T
        return count_parts(ids, correct, given, has, metric=_COUNTED[metric])
    return None
