"""What a person should know before trusting a comparison, each in one plain sentence."""

import math
from collections.abc import Mapping, Sequence

from tritune.comparison import METRIC_NAMES
from tritune.metrics.direction import advantage
from tritune.settings.train import Metric

RISE = 1.05
"""A validation loss this many times its lowest value has risen; less is noise."""


def floor_caution(
    *, name: str, validation: Mapping[Metric, float], floor: Mapping[str, float], rows: int, majority: str
) -> str | None:
    """Return a warning unless the chosen model is clearly better than a constant answer.

    Clearly: its Matthews correlation is above 2 / sqrt(rows), about two standard errors of the correlation
    between answers and labels that have nothing to do with each other. (Accuracy would condemn a good model
    of rare classes, and macro F1 has no such yardstick.)

    Args:
        name: of the method.
        validation: the model's validation scores.
        floor: of the majority class, on the same split.
        rows: of the validation split.
        majority: label of the most frequent class.
    """
    chance = 2 / math.sqrt(rows)
    if validation["matthews_correlation"] > chance:
        return None
    return (
        f"{name} is not clearly better than always answering {majority!r}: validation accuracy "
        f"{validation['accuracy']:.3f} against {floor['accuracy']:.3f}, and a Matthews correlation of "
        f"{validation['matthews_correlation']:.3f} where chance alone reaches {min(chance, 1):.3f} on {rows} "
        "rows. Look at the labels, train for longer, or try another learning rate."
    )


def overfitting_caution(name: str, history: Sequence[Mapping[str, float]]) -> str | None:
    """Return a warning when the validation loss has risen while the training loss went on falling.

    Args:
        name: of the training.
        history: One row per epoch, in order, with `epoch`, `train_loss` and `validation_loss`.
    """
    lowest = min(history, key=lambda row: row["validation_loss"])
    last = history[-1]
    risen = last["validation_loss"] > RISE * lowest["validation_loss"]
    if not (risen and last["train_loss"] < lowest["train_loss"]):
        return None
    return (
        f"{name} overfits: from epoch {int(lowest['epoch'])} to {int(last['epoch'])} its validation loss "
        f"rises from {lowest['validation_loss']:.3f} to {last['validation_loss']:.3f} while the training "
        f"loss falls from {lowest['train_loss']:.3f} to {last['train_loss']:.3f}. The epoch with the best "
        "score was kept; fewer epochs, a lower rate or more frozen layers may do better."
    )


def unfinished_caution(
    name: str, history: Sequence[Mapping[str, float]], *, monitor: Metric, margin: float, epochs: int
) -> str | None:
    """Return a warning when the last epoch that was allowed still gained more than `margin`.

    Args:
        name: of the training.
        history: as for `overfitting_caution`, with `validation_<monitor>`.
        monitor: metric that picks the best epoch.
        margin: in the metric's own unit.
        epochs: that were allowed.
    """
    if len(history) < epochs or len(history) < 2:
        return None
    before = max(
        (row[f"validation_{monitor}"] for row in history[:-1]),
        key=lambda score: advantage(monitor, score, 0.0),
    )
    last = history[-1][f"validation_{monitor}"]
    if advantage(monitor, last, before) <= margin:
        return None
    return (
        f"{name} was still learning when it ended: epoch {len(history)} brought the validation "
        f"{METRIC_NAMES[monitor]} from {before:.3f} to {last:.3f}. More than {epochs} epochs may help."
    )
