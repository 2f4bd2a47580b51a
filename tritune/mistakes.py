"""Where a classifier errs: the classes that it takes for each other, and the rows it is surely wrong on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SHOWN = 10


@dataclass(frozen=True)
class Answers:
    """A model's answers on one split, one element a row."""

    row_ids: Sequence[str]
    label: np.ndarray
    """[rows] class ids."""

    predicted: np.ndarray
    """[rows] class ids."""

    confidence: np.ndarray
    """[rows] probability of the predicted class, in [0, 1]."""

    own: np.ndarray
    """[rows] probability of the right class, in [0, 1]."""


def confused_pairs(
    answers: Answers, *, labels: Sequence[str], at_most: int = SHOWN
) -> list[tuple[str, str, int]]:
    """Return (actual label, predicted label, rows), most frequent first; ties in the order of the classes."""
    pairs = zip(answers.label.tolist(), answers.predicted.tolist(), strict=True)
    counts = Counter(pair for pair in pairs if pair[0] != pair[1])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:at_most]
    return [(labels[actual], labels[predicted], rows) for (actual, predicted), rows in ordered]


def surest_mistakes(answers: Answers, *, labels: Sequence[str], at_most: int = SHOWN) -> list[dict[str, Any]]:
    """Return the wrong rows with the highest confidence, surest first; ties in the order of the rows.

    Each has `id`, `actual` and `predicted` label, `probability` of the prediction, `probability_of_actual`.
    """
    wrong = np.flatnonzero(answers.label != answers.predicted)
    order = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:at_most]
    return [
        {
            "id": answers.row_ids[index],
            "actual": labels[answers.label[index]],
            "predicted": labels[answers.predicted[index]],
            "probability": float(answers.confidence[index]),
            "probability_of_actual": float(answers.own[index]),
        }
        for index in order
    ]
