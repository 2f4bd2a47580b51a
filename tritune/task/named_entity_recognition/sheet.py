"""A tagger's answers to a test set, text by text, for the gate."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tritune.promotion.sheet import Sheet, overlap, right_by_class
from tritune.tags import entities


def sheet(table: pa.Table, labels: Sequence[str]) -> Sheet:  # noqa: ARG001
    """Return one row a text: the F1 of its entities."""
    scores, classes = [], defaultdict(list)
    for tags, predicted in zip(table["tags"].to_pylist(), table["predicted"].to_pylist(), strict=True):
        given, found = entities(tags), set(entities(predicted))
        scores.append(overlap(set(given), found))
        for one in given:
            classes[one.type].append(float(one in found))
    return Sheet(
        "mean F1 of a text's entities", table["id"].to_pylist(), np.array(scores), right_by_class(classes)
    )
