"""Some rows of a token table as a table of their own, with what a stored prefix gives for them."""

from dataclasses import replace

import numpy as np

from tritune.tokens import TokenTable


def rows_of(table: TokenTable, rows: np.ndarray) -> TokenTable:
    """Return the given rows in the given order; a row may be named more than once.

    What a stored prefix gives is not copied: it lies on disk, and may be larger than the memory.
    """

    def part(values: np.ndarray | None, offsets: np.ndarray) -> np.ndarray | None:
        if values is None:
            return None
        return np.concatenate([values[:0], *(values[offsets[row] : offsets[row + 1]] for row in rows)])

    def ends(offsets: np.ndarray) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(np.diff(offsets)[rows])]).astype(np.int64)

    tokens = part(table.tokens, table.offsets)
    assert tokens is not None
    listed = table.label_offsets
    starts = table.offsets if table.prefix_starts is None else table.prefix_starts
    labels = table.labels[rows] if listed is None else part(table.labels, listed)
    assert labels is not None
    return replace(
        table,
        row_ids=table.row_ids.take(rows),
        tokens=tokens,
        offsets=ends(table.offsets),
        labels=labels,
        label_offsets=None if listed is None else ends(listed),
        token_types=part(table.token_types, table.offsets),
        prefix_starts=None if table.prefix_output is None else starts[rows],
    )
