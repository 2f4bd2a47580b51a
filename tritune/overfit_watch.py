"""Whether a training overfits: what its learning curve shows beyond noise.

A gap between training and validation rows is no harm by itself: models that know every training row by heart
may answer others better than any smaller one. What counts is that validation rows get worse while training
rows still get better. The validation loss is asked, which tells more than a share of right answers, and the
same examples in both epochs. It has to rise by so much (Prechelt's generalisation loss) and by more than
chance. Where the monitored metric gains meanwhile, the model only becomes too sure of itself.

Sources: Prechelt 1998, "Early Stopping - But When?", https://doi.org/10.1007/3-540-49430-8_3; Guo et al.
2017, section 3, for losses that rise while accuracy gains, https://arxiv.org/abs/1706.04599; Breiman et al.
1984, section 3.4.3, for the rule of one standard error; Dunnett 1955 for many epochs against one (see
`tritune.statistics.chosen`). Why so: docs/decisions/0016-overfitting-watched.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from tritune.metrics.catalogue import METRICS, advantage
from tritune.statistics.chosen import chance_of_rise
from tritune.statistics.holm import LEVEL
from tritune.statistics.proportions import difference_interval, share_error

RISE = 0.05
"""Share of its lowest value by which a loss has risen: Prechelt's GL of 5. Less is not worth a word."""

CHANCE = 0.15
"""That a loss which has not truly risen is said to rise, once it seems to have risen by `RISE`: what an alarm
that costs a look, and changes nothing, is allowed. No decision between methods rests on it."""

Verdict = Literal["healthy", "overfitting", "overconfident", "unstable", "underfitting"]


@dataclass(frozen=True)
class Gap:
    """By how much training rows fare better than validation rows; the interval is at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Watch:
    """What one training's history shows."""

    verdict: Verdict
    """overconfident: the validation loss rises and the metric gains all the same. unstable: the loss of
    training rows rises with it. underfitting: the last epoch that was allowed still gained."""

    epochs: int
    """That were run."""

    kept: int
    """The epoch whose weights are kept."""

    onset: int | None
    """The epoch of the lowest validation loss, if it rises after that, beyond noise and while training rows
    still get better; else None."""

    p_value: float | None
    """Of that rise, corrected for the choice of the epoch; None: the history does not tell chance."""

    before: Mapping[str, float]
    """Of the epoch of the lowest validation loss (underfitting: of the best earlier epoch): `train_loss` and
    `validation_loss`, of training rows in evaluation mode where they are known, and `metric`."""

    last: Mapping[str, float]
    """The same of the last epoch."""

    loss_gap: Gap | None
    """In the kept epoch, in nats; None: the history does not tell."""

    metric_gap: Gap | None
    """In the kept epoch, of the monitored metric; None also where that is no share in [0, 1]."""

    def content(self) -> dict[str, Any]:
        """Return all of it, fit for JSON."""
        return asdict(self)


def watch(
    history: Sequence[Mapping[str, Any]],
    *,
    monitor: str,
    margin: float,
    epochs: int,
    examples: int,
    chance: float = CHANCE,
) -> Watch:
    """Return what a training's history shows.

    Args:
        history: one row per epoch, in order, as `tritune.training.history` reads it; one or more.
        monitor: the metric that picked the best epoch.
        margin: a gain of the metric that is as good as none, in its own unit.
        epochs: that were allowed.
        examples: of the validation split.
        chance: a rise of the loss counts if it is no likelier than this by chance, in (0, 1].
    """
    lowest = min(history, key=lambda row: row["validation_loss"])
    last, kept = history[-1], next(row for row in history if row["best"])
    trained = "train_slice_loss" if "train_slice_loss" in last else "train_loss"

    def told(row: Mapping[str, Any]) -> dict[str, float]:
        return {
            "epoch": row["epoch"],
            "train_loss": row[trained],
            "validation_loss": row["validation_loss"],
            "metric": row[f"validation_{monitor}"],
        }

    verdict: Verdict = "healthy"
    before, p_value = lowest, None
    # A loss of 0 may be rounded to just below it.
    if last["validation_loss"] - lowest["validation_loss"] > RISE * abs(lowest["validation_loss"]):
        # The epoch was chosen for its low loss, so the chance of each that could have been counts.
        p_value = _chance_of_rise(history[:-1], last, since=history.index(lowest))
        shown = p_value is None or p_value <= chance
        if shown and last[trained] < lowest[trained]:
            gained = advantage(monitor, last[f"validation_{monitor}"], lowest[f"validation_{monitor}"])
            bar = max(margin, _metric_error(monitor, last[f"validation_{monitor}"], examples))
            verdict = "overconfident" if gained > bar else "overfitting"
        elif shown and last[trained] > (1 + RISE) * lowest[trained]:
            verdict = "unstable"
    if verdict == "healthy" and len(history) == epochs > 1:
        earlier = max(history[:-1], key=lambda row: advantage(monitor, row[f"validation_{monitor}"], 0.0))
        if _still_gains(history, earlier, monitor=monitor, margin=margin):
            verdict, before = "underfitting", earlier
    rises = verdict in ("overfitting", "overconfident")
    return Watch(
        verdict=verdict,
        epochs=len(history),
        kept=kept["epoch"],
        onset=lowest["epoch"] if rises else None,
        p_value=p_value if rises else None,
        before=told(before),
        last=told(last),
        loss_gap=_loss_gap(kept),
        metric_gap=_metric_gap(kept, monitor, examples),
    )


def _still_gains(
    history: Sequence[Mapping[str, Any]], earlier: Mapping[str, Any], *, monitor: str, margin: float
) -> bool:
    """Tell whether the last epoch is better than all before: by more than the margin, and not by luck."""
    last, metric = history[-1], f"validation_{monitor}"
    if advantage(monitor, last[metric], earlier[metric]) <= margin:
        return False
    lowest = min(history[:-1], key=lambda row: row["validation_loss"])
    if last["validation_loss"] >= lowest["validation_loss"]:
        return False
    chance = _chance_of_rise([last], lowest, since=0)
    return chance is None or chance <= LEVEL


def _chance_of_rise(
    earlier: Sequence[Mapping[str, Any]], later: Mapping[str, Any], *, since: int
) -> float | None:
    """Return the chance of the loss's rise since one of the earlier epochs, the one chosen among them."""
    parts = [row.get("validation_loss_parts") for row in (*earlier, later)]
    if any(part is None or len(part) < 2 for part in parts):
        return None
    return chance_of_rise(np.array(parts[-1]) - np.array(parts[:-1]), since)


def _error_of_sum(parts: np.ndarray) -> float:
    """Return the standard error of a sum of parts, one for each of some random groups of examples."""
    return math.sqrt(len(parts) * float(np.var(parts, ddof=1)))


def _is_share(metric: str) -> bool:
    known = METRICS[metric]
    return known.higher_is_better and (known.lowest, known.highest) == (0.0, 1.0)


def _metric_error(metric: str, value: float, examples: int) -> float:
    return share_error(value, examples) if _is_share(metric) and examples else 0.0


def _loss_gap(row: Mapping[str, Any]) -> Gap | None:
    parts = [row.get(f"{split}_loss_parts") for split in ("validation", "train_slice")]
    if any(part is None or len(part) < 2 for part in parts):
        return None
    value = row["validation_loss"] - row["train_slice_loss"]
    error = math.hypot(*(_error_of_sum(np.array(part)) for part in parts))
    fewest = min(len(part) for part in parts if part is not None)
    reach = -float(special.stdtrit(fewest - 1, LEVEL / 2)) * error
    return Gap(value, value - reach, value + reach)


def _metric_gap(row: Mapping[str, Any], metric: str, examples: int) -> Gap | None:
    own = row.get(f"train_slice_{metric}")
    if own is None or not _is_share(metric) or not examples:
        return None
    validation = row[f"validation_{metric}"]
    low, high = difference_interval(own, int(row["train_slice_examples"]), validation, examples)
    return Gap(own - validation, low, high)
