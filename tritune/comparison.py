"""Which of the methods to ship, why, and how sure that is.

The choice sees validation scores and costs; test scores pass through. Pure: no files, no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from tritune.evidence import FEWEST_SEEDS, Evidence, difference_content
from tritune.metrics.catalogue import METRICS, advantage, metric_title
from tritune.settings.decide import CompareSettings
from tritune.verdict import Decision, judged

ROUNDING = 1e-9
"""Scores this close to the margin are within it: 0.91 - 0.90 is not 0.01 in floating point."""


@dataclass(frozen=True)
class Training:
    """One trained and evaluated seed of a method."""

    seed: int
    validation: Mapping[str, float]
    test: Mapping[str, float]
    epochs: int
    """Epochs that were run, fewer than set where the training stopped early."""

    best_epoch: int
    """The epoch, from 1, whose weights were kept."""

    compute: float
    """FLOP of the epochs that were run, forward and backward, padding not counted."""


@dataclass(frozen=True)
class Method:
    """One method with all its seeds."""

    name: str
    kind: str
    parameters_trainable: int
    parameters_total: int
    trainings: Sequence[Training]
    """At least one, in the order of `seeds`."""

    @property
    def trained_compute(self) -> float:
        """FLOP of one training, mean over the seeds, which may stop at different epochs."""
        return fmean(training.compute for training in self.trainings)

    def mean(self, metric: str) -> float:
        """Return the mean validation score."""
        return fmean(training.validation[metric] for training in self.trainings)


@dataclass(frozen=True)
class Choice:
    """The method and the seed to ship."""

    method: str
    seed: int
    decision: Decision
    reason: str
    """One sentence, with the numbers that decided."""

    sureness: str
    """What is known of how sure that is, a sentence; empty where there is nothing to add."""


def choose(methods: Sequence[Method], settings: CompareSettings, evidence: Evidence) -> Choice:
    """Return what to ship, by validation scores only.

    Equal scores (rule `best`) and all methods that are not shown to be worse than the best (rule
    `cheapest_not_worse`) are ranked by trained compute, then by trainable parameters, then by their order.
    One or two seeds can show nothing: then it is the methods within the margin that are ranked. Of the chosen
    method the seed with the best validation score ships; the first one in a tie.

    Args:
        methods: At least one, each with the same seeds.
        settings: Its `metric` is a metric, not auto.
        evidence: Of that metric on the validation split.
    """
    metric = settings.metric
    best = max(methods, key=lambda method: advantage(metric, method.mean(metric), 0.0))
    candidates = [method for method in methods if _stays(method, best, settings, evidence)]
    # min and max keep the first of equals, so the order of `methods` decides last.
    chosen = min(candidates, key=lambda method: (method.trained_compute, method.parameters_trainable))
    training = max(chosen.trainings, key=lambda training: advantage(metric, training.validation[metric], 0.0))
    rivals = [method for method in methods if method is not chosen]
    rival = max(rivals, key=lambda method: advantage(metric, method.mean(metric), 0.0)) if rivals else None
    verdict = judged(chosen.name, None if rival is None else rival.name, settings.margin, evidence)
    reason = _reason(methods, candidates, best, chosen, settings)
    return Choice(chosen.name, training.seed, verdict.decision, reason, verdict.words)


def _stays(method: Method, best: Method, settings: CompareSettings, evidence: Evidence) -> bool:
    if method is best:
        return True
    behind = advantage(settings.metric, best.mean(settings.metric), method.mean(settings.metric))
    if settings.rule == "best":
        return behind <= 0
    if len(method.trainings) < FEWEST_SEEDS:
        return behind <= settings.margin + ROUNDING
    if evidence.shown_worse(method.name, best.name):
        return False
    ends = evidence.between(method.name, best.name).of(method.name).interval()
    # What lies beyond the margin with all of its interval does not ship on a correction for many tests.
    return ends is None or ends[1] >= -settings.margin


def compute_per_token(phases: Sequence[Mapping[str, Any]], *, epochs: int, run: int) -> float:
    """Return the operations that a training spent on each token of the training split, over all its epochs.

    Args:
        phases: As in a tuning plan, in order: `start` and `compute_per_token`.
        epochs: That were planned; the phases are shares of them.
        run: Epochs that were run, fewer where the training stopped early.
    """
    ends = [*(phase["start"] for phase in phases[1:]), 1.0]
    total = 0.0
    for phase, end in zip(phases, ends, strict=True):
        total += phase["compute_per_token"] * max(0.0, min(epochs * end, run) - epochs * phase["start"])
    return total


def comparison_content(
    methods: Sequence[Method], choice: Choice, settings: CompareSettings, evidence: Mapping[str, Evidence]
) -> dict[str, Any]:
    """Return the comparison, fit for JSON: the choice and every method's scores, means and spreads.

    A spread is `{"sd": sample standard deviation, "range": [lowest, highest]}`, null for a single seed. An
    interval holds the true mean with 95 % confidence, and null where nothing is known of its error.

    Args:
        evidence: Split -> what is known of the compared metric there.
    """
    return {
        "metric": settings.metric,
        "rule": settings.rule,
        "margin": settings.margin,
        "chosen": {"method": choice.method, "seed": choice.seed},
        "decision": choice.decision,
        "reason": choice.reason,
        "sureness": choice.sureness,
        "uncertain": _uncertain(methods, evidence["validation"]),
        "differences": [difference_content(one) for one in evidence["validation"].differences],
        "examples": next(iter(evidence["validation"].means.values())).examples,
        "methods": [
            _method_content(method)
            | {
                f"{split}_interval": within_range(known.means[method.name].interval(), settings.metric)
                for split, known in evidence.items()
            }
            for method in methods
        ],
    }


def table_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one flat row per method of `comparison_content`, for a csv; all rows have the same keys."""
    rows = []
    for method in content["methods"]:
        row = {
            "method": method["method"],
            "kind": method["kind"],
            "chosen": str(method["method"] == content["chosen"]["method"]).lower(),
            "seeds": len(method["seeds"]),
            **{key: method[key] for key in ("parameters_trainable", "parameters_total", "trained_compute")},
        }
        for split in ("validation", "test"):
            for metric in method[split]:
                spread = method[f"{split}_spread"]
                row[f"{split}_{metric}"] = method[split][metric]
                row[f"{split}_{metric}_sd"] = spread[metric]["sd"] if spread else ""
            ends = method[f"{split}_interval"] or ("", "")
            row[f"{split}_low"], row[f"{split}_high"] = ends
        rows.append(row)
    return rows


def _method_content(method: Method) -> dict[str, Any]:
    content: dict[str, Any] = {
        "method": method.name,
        "kind": method.kind,
        "parameters_trainable": method.parameters_trainable,
        "parameters_total": method.parameters_total,
        "trained_compute": method.trained_compute,
        "seeds": [
            {
                "seed": training.seed,
                "epochs": training.epochs,
                "best_epoch": training.best_epoch,
                "validation": dict(training.validation),
                "test": dict(training.test),
            }
            for training in method.trainings
        ],
    }
    for split in ("validation", "test"):
        scores = {
            metric: [getattr(one, split)[metric] for one in method.trainings]
            for metric in method.trainings[0].validation
        }
        content[split] = {metric: fmean(values) for metric, values in scores.items()}
        content[f"{split}_spread"] = (
            {m: {"sd": stdev(values), "range": [min(values), max(values)]} for m, values in scores.items()}
            if len(method.trainings) > 1
            else None
        )
    return content


def _reason(
    methods: Sequence[Method],
    candidates: Sequence[Method],
    best: Method,
    chosen: Method,
    settings: CompareSettings,
) -> str:
    metric, name = settings.metric, metric_title(settings.metric)
    seeds = len(chosen.trainings)
    over = f" (mean of {seeds} seeds)" if seeds > 1 else ""
    score = f"{chosen.mean(metric):.4f}"
    most = "highest" if METRICS[metric].higher_is_better else "lowest"
    others = [method for method in methods if method is not chosen]
    if not others:
        return f"{chosen.name} ships as the only method compared (validation {name} {score})."
    among = _listing([method.name for method in candidates if method is not chosen])
    if settings.rule == "best" and len(candidates) > 1:
        return (
            f"{chosen.name} ships: no method has a better validation {name} ({score}), and of those "
            f"that share it (also {among}) it took {_least(candidates, chosen)}."
        )
    second = max(others, key=lambda method: advantage(metric, method.mean(metric), 0.0))
    if settings.rule == "best":
        ending = f"next ({second.name} {second.mean(metric):.4f})"
        return f"{chosen.name} ships: it has the {most} validation {name}, {score}{over}; {ending}."
    kept = "within {:g} of it" if seeds < FEWEST_SEEDS else "not shown to be worse"
    kept = kept.format(settings.margin)
    if len(candidates) == 1:
        ending = f"no other is {kept}" if seeds < FEWEST_SEEDS else "all others are worse with 95% confidence"
        return (
            f"{chosen.name} ships: it has the {most} validation {name}, {score}{over}; "
            f"{ending} ({second.name} {second.mean(metric):.4f})."
        )
    if chosen is best:
        return (
            f"{chosen.name} ships: it has the {most} validation {name}, {score}{over}, and of the methods "
            f"{kept} (also {among}) it took {_least(candidates, chosen)}."
        )
    kept = f"within {settings.margin:g} of" if seeds < FEWEST_SEEDS else "not shown to be worse than"
    return (
        f"{chosen.name} ships: its validation {name} of {score}{over} is {kept} the "
        f"best ({best.name}, {best.mean(metric):.4f}), and of the methods that are it took "
        f"{_least(candidates, chosen)}{_share(chosen, best)}."
    )


def within_range(interval: list[float] | None, metric: str) -> list[float] | None:
    """Return an interval without what lies outside of the metric's range."""
    if interval is None:
        return None
    return [min(max(end, METRICS[metric].lowest), METRICS[metric].highest) for end in interval]


def _uncertain(methods: Sequence[Method], evidence: Evidence) -> str:
    """Return what the intervals allow for, in words."""
    estimate = evidence.means[methods[0].name]
    parts = ["which seeds"] * (estimate.variance_of_seeds is not None)
    parts += ["which examples were scored"] * (estimate.examples is not None)
    return " and ".join(parts) or "not known"


def _least(candidates: Sequence[Method], chosen: Method) -> str:
    rivals = [method for method in candidates if method is not chosen]
    if all(method.trained_compute > chosen.trained_compute for method in rivals):
        return "the least compute to train"
    if all(
        (method.trained_compute, method.parameters_trainable)
        > (chosen.trained_compute, chosen.parameters_trainable)
        for method in rivals
    ):
        return "no more compute than any and trained the fewest parameters"
    return "no more compute than any and stands first in the list of methods"


def _share(chosen: Method, best: Method) -> str:
    if not best.trained_compute > chosen.trained_compute:
        return ""
    return f", {100 * chosen.trained_compute / best.trained_compute:.0f}% of {best.name}'s"


def _listing(names: Sequence[str]) -> str:
    if not names:
        return ""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
