"""Which of a step's rows each process takes, where several share a training."""

import numpy as np


def shares(rows: np.ndarray, lengths: np.ndarray, *, count: int) -> list[np.ndarray]:
    """Deal one step's rows out so that each process has about as many tokens; every row goes to one process.

    The longest row not yet dealt goes to the process with fewest tokens so far, the first of them where
    several have as few. So no process has more tokens than the others' least and one row.

    Args:
        rows: [n] row numbers, 1 or more.
        lengths: [n] tokens of each of them.
        count: of processes, 1 or more. Of one, the rows stay as they are.

    Returns:
        `count` arrays of row numbers; later ones are empty where there are fewer rows than processes.
    """
    if count == 1:
        return [rows]
    dealt: list[list[int]] = [[] for _ in range(count)]
    tokens = np.zeros(count, dtype=np.int64)
    for index in np.argsort(-lengths, kind="stable"):
        process = int(tokens.argmin())
        dealt[process].append(int(rows[index]))
        tokens[process] += lengths[index]
    return [np.array(each, dtype=rows.dtype) for each in dealt]
