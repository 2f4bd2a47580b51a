"""A classifier's answers to a test set, row by row, for the gate."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tritune.metrics.calibration import expected_calibration_error
from tritune.promotion.sheet import Sheet, overlap, right_by_class


def sheet(table: pa.Table, labels: Sequence[str]) -> Sheet:
    """Return one row a text: right or wrong, or the F1 of its labels where it may have several."""
    if pa.types.is_list(table.schema.field("label").type):
        return _several_labels(table, labels)
    return _one_label(table, labels)


def _one_label(table: pa.Table, labels: Sequence[str]) -> Sheet:
    label, predicted = (table[name].to_numpy() for name in ("label", "predicted"))
    right = (label == predicted).astype(np.float64)
    probabilities = np.stack(table["probabilities"].to_numpy(zero_copy_only=False))
    return Sheet(
        score="accuracy",
        rows=table["id"].to_pylist(),
        scores=right,
        classes={labels[one]: right[label == one] for one in sorted(set(label.tolist()))},
        calibration_error=expected_calibration_error(label, probabilities),
    )


def _several_labels(table: pa.Table, labels: Sequence[str]) -> Sheet:
    scores, classes = [], defaultdict(list)
    for label, predicted in zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True):
        scores.append(overlap(set(label), set(predicted)))
        for one in sorted(label):
            classes[labels[one]].append(float(one in predicted))
    return Sheet(
        "mean F1 of a row's labels", table["id"].to_pylist(), np.array(scores), right_by_class(classes)
    )
