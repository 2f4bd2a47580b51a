"""A split's mean loss as a sum of parts, one for each group of its examples, so that its chance can be told.

Two epochs are asked the same examples, so the difference between their losses is far less uncertain than
either loss. Kept by groups, a loss shows both: how far its parts differ, and how far their differences do.

Source: the random group method, Wolter 2007, "Introduction to Variance Estimation", chapter 2.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tritune.objectives.objective import Objective
from tritune.outputs import Outputs
from tritune.tokens import TokenTable
from tritune.training.some_rows import rows_of

GROUPS = 50
"""At most; as many as there are examples where these are fewer."""


def loss_parts(objective: Objective, table: TokenTable) -> Callable[[Outputs], list[float]]:
    """Return the function that gives the parts of a table's mean loss, in nats: they add up to it.

    All windows of an example are in one group. Which that is depends on the examples' ids alone.
    """
    groups = example_groups(table.row_ids.to_pylist())
    table = replace(table, prefix_output=None)  # much memory, and the loss of given outputs needs it not
    terms = objective.items(table)
    total = max(int(terms.sum()), 1)
    tables = [rows_of(table, rows) for rows in groups]
    shares = [int(terms[rows].sum()) / total for rows in groups]

    def parts(outputs: Outputs) -> list[float]:
        return [
            share * objective.mean_loss(outputs.rows_at(rows), part) if share else 0.0
            for rows, part, share in zip(groups, tables, shares, strict=True)
        ]

    return parts


def example_groups(row_ids: list[str]) -> list[np.ndarray]:
    """Return the row numbers of each group, ascending: about as many examples in each.

    Args:
        row_ids: [rows] the ids of the examples.
    """
    ordered = sorted(set(row_ids), key=lambda each: hashlib.sha256(each.encode()).digest())
    group_of = {each: place % GROUPS for place, each in enumerate(ordered)}
    groups = np.array([group_of[each] for each in row_ids], dtype=np.int64)
    return [np.flatnonzero(groups == group) for group in range(min(GROUPS, len(ordered)))]
