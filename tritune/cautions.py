"""What a person should know before trusting a comparison, each in one plain sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from tritune.metrics.catalogue import advantage, metric_title

RISE = 1.05
"""A validation loss this many times its lowest value has risen; less is noise."""


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


def baseline_cautions(name: str, baseline: Mapping[str, Any] | None, metric: str) -> list[str]:
    """Return a warning when the method that ships is not shown to be better than the baseline.

    Args:
        name: of the method.
        baseline: `name`, and of the validation split its score, the method's `advantage` and its `interval`;
            None: the task has none.
        metric: that the methods are compared by.
    """
    if baseline is None or baseline["interval"] is None or baseline["interval"][0] > 0:
        return []
    low, high = baseline["interval"]
    stands = "is worse than" if high < 0 else "is not shown to be better than"
    return [
        f"{name} {stands} {baseline['name']}, which takes seconds and scores "
        f"{baseline['validation'][metric]:.4f} ({metric_title(metric)}, validation): the difference lies "
        f"between {low:+.4f} and {high:+.4f} with 95% confidence. Ship that, or look for more or cleaner "
        "data, a better base model or other learning rates."
    ]


def unfinished_caution(
    name: str, history: Sequence[Mapping[str, float]], *, monitor: str, margin: float, epochs: int
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
        f"{metric_title(monitor)} from {before:.3f} to {last:.3f}. More than {epochs} epochs may help."
    )


def warnings_of(
    names: Sequence[str],
    histories: Mapping[str, Mapping[int, tuple[list[dict[str, Any]], list[str]]]],
    *,
    epochs: int,
    monitor: str,
    margin: float,
    first: Sequence[str],
) -> list[str]:
    """Return all warnings, `first` before the others; what several trainings share is said once.

    Args:
        names: of the methods.
        histories: Method -> seed -> the rows of its history, and the warnings of its training.
        epochs, monitor, margin: as for `unfinished_caution`.
    """
    sharing: dict[str, list[str]] = {}
    single: list[str] = []
    for name in names:
        for seed, (history, own) in histories[name].items():
            called = f"{name} (seed {seed})" if len(histories[name]) > 1 else name
            for warning in own:
                sharing.setdefault(warning, []).append(called)
            unfinished = unfinished_caution(called, history, monitor=monitor, margin=margin, epochs=epochs)
            overfits = overfitting_caution(called, history)
            single += [sentence for sentence in (overfits, unfinished) if sentence]
    shared = [f"{', '.join(trainings)}: {warning}" for warning, trainings in sharing.items()]
    return [*first, *shared, *single]
