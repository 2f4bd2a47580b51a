"""Signs in a finished training's history that the model has learnt nothing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def training_warnings(
    history: Sequence[Mapping[str, float]],
    *,
    training_labels: np.ndarray,
    validation_labels: np.ndarray,
    classes: int,
    label_smoothing: float = 0.0,
) -> list[str]:
    """Return a sentence for each sign; an empty list is the good case.

    Args:
        history: one row per epoch, in order, with `train_loss` and `validation_accuracy`.
        training_labels: [rows] class ids.
        validation_labels: [rows] class ids.
        classes: number of classes.
        label_smoothing: as in the training; it raises what guessing costs.
    """
    if not history:
        return []
    remedy = (
        "try a learning rate 10 times higher or lower, more epochs, and look whether the labels fit the texts"
    )
    signs = []
    first, last = history[0]["train_loss"], history[-1]["train_loss"]
    guessing = guessing_loss(training_labels, classes=classes, label_smoothing=label_smoothing)
    if last >= 0.98 * guessing:
        signs.append(
            f"the training loss ended at {last:.3f}, no better than guessing by how frequent each class is "
            f"({guessing:.3f}): {remedy}"
        )
    elif len(history) > 1 and last >= 0.99 * first:
        signs.append(f"the training loss did not fall ({first:.3f} to {last:.3f}): {remedy}")
    share = majority_share(validation_labels, classes=classes)
    best = max(row["validation_accuracy"] for row in history)
    if best <= share + 1e-9:
        signs.append(
            f"the best validation accuracy ({best:.3f}) is no better than always answering the most frequent "
            f"class ({share:.3f}): {remedy}"
        )
    return signs


def guessing_loss(labels: np.ndarray, *, classes: int, label_smoothing: float = 0.0) -> float:
    """Return the mean loss, in nats, of answering every text with the classes' own frequencies.

    It is the lowest loss that can be had without reading the text.
    """
    frequencies = np.bincount(labels, minlength=classes) / max(len(labels), 1)
    smoothed = (1 - label_smoothing) * frequencies + label_smoothing / classes
    return -sum(float(p) * math.log(float(p)) for p in smoothed if p > 0)


def majority_share(labels: np.ndarray, *, classes: int) -> float:
    """Return the share of rows in the most frequent class, in (0, 1]."""
    return float(np.bincount(labels, minlength=classes).max()) / len(labels)
