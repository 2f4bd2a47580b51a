"""What a person should know before trusting a comparison, each in one plain sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from tritune.metrics.catalogue import metric_title
from tritune.overfit_told import told
from tritune.overfit_watch import Watch


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


def watch_cautions(name: str, watches: Mapping[int, Watch], *, monitor: str) -> list[str]:
    """Return a sentence for each kind of trouble that a method's trainings show, however many seeds do.

    Args:
        name: of the method.
        watches: Seed -> what its training's history shows.
        monitor: metric that picked the best epoch.
    """
    sentences = []
    for verdict in ("overfitting", "unstable", "underfitting"):
        seeds = [seed for seed, one in watches.items() if one.verdict == verdict]
        if seeds:
            seed = max(seeds, key=lambda seed: _severity(watches[seed]))
            which = f"seed {seed}"
            if len(seeds) > 1:
                which = f"{len(seeds)} of {len(watches)} seeds, most of all {which}"
            called = f"{name} ({which})" if len(watches) > 1 else name
            sentences.append(told(called, watches[seed], monitor=monitor))
    return sentences


def _severity(watch: Watch) -> float:
    return abs(watch.last["validation_loss"] / max(watch.before["validation_loss"], 1e-12) - 1)


def warnings_of(
    own: Mapping[str, Mapping[int, Sequence[str]]],
    watches: Mapping[str, Mapping[int, Watch]],
    *,
    monitor: str,
    first: Sequence[str],
) -> list[str]:
    """Return all warnings, `first` before the others; what several trainings share is said once.

    Args:
        own: Method -> seed -> the warnings of its training.
        watches: Method -> seed -> what its history shows.
        monitor: metric that picked the best epoch.
    """
    sharing: dict[str, list[str]] = {}
    for name, seeds in own.items():
        for seed, warnings in seeds.items():
            for warning in warnings:
                sharing.setdefault(warning, []).append(f"{name} (seed {seed})" if len(seeds) > 1 else name)
    shared = [f"{', '.join(trainings)}: {warning}" for warning, trainings in sharing.items()]
    watched = [
        sentence for name in watches for sentence in watch_cautions(name, watches[name], monitor=monitor)
    ]
    return [*first, *shared, *watched]
