"""Answers to a test set, question by question, for the gate."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tritune.promotion.sheet import Sheet, right_by_class


def sheet(table: pa.Table, labels: Sequence[str]) -> Sheet:  # noqa: ARG001
    """Return one row a question: the F1 of its answer."""
    classes = defaultdict(list)
    for answers, right in zip(table["answers"].to_pylist(), table["exact_match"].to_pylist(), strict=True):
        classes["with an answer" if answers else "without an answer"].append(float(right))
    scores = table["f1"].to_numpy().astype(np.float64)
    return Sheet("answer F1", table["id"].to_pylist(), scores, right_by_class(classes))
