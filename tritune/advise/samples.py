"""Smaller and smaller samples of a training split, one inside the other, with the classes in proportion.

The examples get an order; the first n of it are the sample of size n. Within a class the order is by chance.
Across classes it is that of systematic sampling: example r of a class of m gets the place (r + u) / m, u in
[0, 1) by chance for each class. So each class has, on average over seeds, its share of every sample, and a
rare class is neither forced in nor kept out.

Source: Madow & Madow 1944, "On the Theory of Systematic Sampling", https://doi.org/10.1214/aoms/1177731312.
"""

import numpy as np

from tritune.tokens import TokenTable

ALL = "all"
"""The size that is the whole training split."""


def sample_order(examples: int, classes: np.ndarray | None, *, seed: int) -> np.ndarray:
    """Return [examples] int64, a permutation: its first n are the sample of n. A function of its arguments.

    Args:
        classes: [examples] int, the class of each; None: they have none, or several.
        seed: 0 or more.
    """
    draw = np.random.default_rng([seed, examples])
    order = draw.permutation(examples)
    if classes is None:
        return order
    places = np.empty(examples)
    for one in np.unique(classes):
        members = order[classes[order] == one]
        places[members] = (np.arange(len(members)) + draw.random()) / len(members)
    return np.lexsort((np.argsort(order), places))


def example_classes(table: TokenTable, *, objective: str) -> np.ndarray | None:
    """Return the class of each example of the training split; None where an example has no single one."""
    return table.labels if objective == "single_label" else None


def sampled_rows(table: TokenTable, size: int | None, *, objective: str, seed: int) -> np.ndarray:
    """Return the numbers of the rows of a sample, ascending; all windows of an example go with it.

    Args:
        table: The training split. Windows of one example lie next to each other.
        size: Examples in the sample, at least 1 and no more than there are; None: all.
    """
    ids = table.row_ids.to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    if size is None:
        return np.arange(table.rows)
    chosen = sample_order(len(starts), example_classes(table, objective=objective), seed=seed)[:size]
    ends = np.append(starts[1:], table.rows)
    return np.concatenate([np.arange(starts[one], ends[one]) for one in np.sort(chosen)])
