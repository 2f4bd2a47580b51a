"""What each method changed, layer by layer: the report's tables whose cells are shaded by their numbers.

A method's number is the mean over its seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Listed = Sequence[tuple[str, float]]
"""Part or height, and its number; lowest first."""


class Cell(NamedTuple):
    """One number of a table."""

    text: str
    shade: int
    """In [0, 100]: how strong its colour is."""


class Heat(NamedTuple):
    """A table with a row for each method and a column for each part of the model."""

    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def heats(changes: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[list[Heat], list[str]]:
    """Return the tables, and sentences on what was left out.

    Args:
        changes: Method -> content of changes.json for each of its seeds; see `tritune.explanation.changes`.
    """
    first = next(iter(changes.values()))[0]
    tables = [
        _heat(
            "How far the weights moved",
            "Norm of the change as a share of the norm before training; 0 where frozen. Without the head.",
            {method: [one["drift"] for one in seeds] for method, seeds in changes.items()},
            form=_percentage,
            shaded=lambda value: value,
        ),
        _heat(
            "How alike representations stayed",
            "Linear CKA between base and tuned model on tokens of validation rows: 1 is the same up to "
            "rotation and scale. From a small sample it is too high: compare methods by it, not models.",
            {method: [one["alike"] for one in seeds] for method, seeds in changes.items()},
            form=lambda value: "1" if value == 1 else f"{value:.3f}",
            shaded=lambda value: 1 - value,
        ),
    ]
    if left_out := first["probe"].get("left_out"):
        return tables, [f"What each layer could already answer is left out: {left_out}."]
    probe = _heat(
        "What each layer could already answer",
        f"{first['probe']['score'][0].upper()}{first['probe']['score'][1:]} on a sample of validation rows, "
        "by ridge regression on the layer's states, learnt on a sample of training rows.",
        {method: [one["probe"]["values"] for one in seeds] for method, seeds in changes.items()},
        form=lambda value: f"{value:.3f}",
        shaded=lambda value: value,
        from_lowest=True,
    )
    return [*tables, probe], []


def _heat(
    title: str,
    caption: str,
    values: Mapping[str, Sequence[Listed]],
    *,
    form: Callable[[float], str],
    shaded: Callable[[float], float],
    from_lowest: bool = False,
) -> Heat:
    columns = [name for name, _ in next(iter(values.values()))[0]]
    means = {
        method: np.mean([[value for _, value in listed] for listed in seeds], axis=0).tolist()
        for method, seeds in values.items()
    }
    strengths = [shaded(value) for row in means.values() for value in row]
    weakest = min(strengths) if from_lowest else 0.0
    room = max(strengths) - weakest or 1.0
    return Heat(
        title,
        caption,
        columns,
        [
            (
                method,
                [Cell(form(value), round(100 * (shaded(value) - weakest) / room)) for value in row],
            )
            for method, row in means.items()
        ],
    )


def _percentage(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.2f}\u202f%"
