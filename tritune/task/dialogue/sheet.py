"""How likely a dialogue model finds the replies of a test set, dialogue by dialogue, for the gate."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.promotion.sheet import Sheet


def sheet(table: pa.Table, labels: Sequence[str]) -> Sheet:  # noqa: ARG001
    """Return one row a dialogue: its turns are alike, and as rows would make any test too sure."""
    turns: defaultdict[str, list[str]] = defaultdict(list)
    losses: defaultdict[str, float] = defaultdict(float)
    tokens: defaultdict[str, int] = defaultdict(int)
    names = ("id", "turn", NEGATIVE_LOG_LIKELIHOOD, "tokens")
    for one, turn, loss, count in zip(*(table[name].to_pylist() for name in names), strict=True):
        turns[one].append(str(turn))
        losses[one] += loss * count
        tokens[one] += count
    rows = [f"{one}/{','.join(own)}" for one, own in turns.items()]
    scores = np.array([-losses[one] / max(tokens[one], 1) for one in turns])
    return Sheet("log likelihood of a dialogue's token", rows, scores)
