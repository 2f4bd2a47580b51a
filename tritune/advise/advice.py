"""What learning curves say: what to ship at each size, where one method overtakes another, what labels bring.

Choices and claims see validation scores only. All tests, of each pair of methods at each size, share one
error rate by Holm's correction. Pure: no files, no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from tritune.advise.crossing import Crossing, crossing
from tritune.advise.forecast import Forecast, Measured, forecast
from tritune.comparison import Choice, Method, choose, within_range
from tritune.evidence import FEWEST_SEEDS, Evidence, difference_content, weigh
from tritune.metrics.catalogue import METRICS, metric_title
from tritune.metrics.sums import Parts
from tritune.settings.decide import CompareSettings
from tritune.statistics.holm import holm
from tritune.statistics.resample import resampled_scores

TIMES = (2, 4)
"""How many times as many examples as there are a forecast is made for."""


@dataclass(frozen=True)
class AtSize:
    """All trainings at one size."""

    size: str
    """As asked for: `300`, `all`."""

    examples: int
    methods: Sequence[Method]
    """Each with the same seeds, in the same order."""

    parts: Mapping[str, Mapping[str, Sequence[Parts]] | None]
    """Split -> method -> [seeds] the answers behind the scores; None where a score is not made of sums."""

    passes: int
    """Over the sample, at most."""

    evaluations: int
    """At most."""

    classes: int | None
    """None where an example has no single class."""

    classes_without_examples: Sequence[int]
    """[seeds]."""

    @property
    def seeds(self) -> list[int]:
        return [training.seed for training in self.methods[0].trainings]


def advise(sizes: Sequence[AtSize], settings: CompareSettings) -> dict[str, Any]:
    """Return the advice, fit for JSON.

    Args:
        sizes: Ascending, at least one.
        settings: Its `metric` is a metric, not auto.
    """
    metric = settings.metric
    evidence = {split: [_weighed(one, metric, split) for one in sizes] for split in ("validation", "test")}
    shared = share_error_rate(evidence["validation"])
    choices = [_chosen(one, settings, known) for one, known in zip(sizes, shared, strict=True)]
    names = [method.name for method in sizes[0].methods]
    crossings = [
        crossing(
            one,
            other,
            [(at.examples, _shown(known, one, other)) for at, known in zip(sizes, shared, strict=True)],
        )
        for one, other in combinations(names, 2)
    ]
    forecasts = {name: _forecast(sizes, name, metric) for name in names}
    told = max(
        (index for index, one in enumerate(sizes) if len(one.seeds) >= FEWEST_SEEDS), default=len(sizes) - 1
    )
    chosen = choices[told]
    return {
        "metric": metric,
        "rule": settings.rule,
        "margin": settings.margin,
        "methods": names,
        "tests": shared[0].tests,
        "verdict": verdict(
            sizes[told], chosen, crossings, forecasts[chosen.method], metric, most=sizes[-1].examples
        ),
        "chosen": {"method": chosen.method, "examples": sizes[told].examples, "decision": chosen.decision},
        "cautions": cautions(sizes, metric),
        "crossings": [one.words for one in crossings],
        "forecasts": {
            name: [
                {
                    "examples": one.examples,
                    "score": one.score,
                    "interval": list(one.interval),
                    "gain": one.gain,
                    "gain_interval": list(one.gain_interval),
                }
                for one in found
            ]
            for name, found in forecasts.items()
        },
        "sizes": [
            _size_content(one, choice, known, tested, metric)
            for one, choice, known, tested in zip(sizes, choices, shared, evidence["test"], strict=True)
        ],
    }


def share_error_rate(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence of several sizes with its p-values corrected for the tests of all of them.

    Sizes with fewer than `FEWEST_SEEDS` seeds can claim nothing, and take nothing from the others.
    """
    p_values = {}
    for index, known in enumerate(evidence):
        for one in known.differences:
            p = one.advantage.p_value()
            if p is not None and one.advantage.seeds >= FEWEST_SEEDS:
                p_values[index, one.first, one.second] = p
    adjusted = holm(p_values)
    return [
        replace(
            known,
            differences=[
                replace(one, p_adjusted=adjusted.get((index, one.first, one.second)))
                for one in known.differences
            ],
            tests=len(p_values),
        )
        for index, known in enumerate(evidence)
    ]


def verdict(
    at: AtSize,
    choice: Choice,
    crossings: Sequence[Crossing],
    more: Sequence[Forecast],
    metric: str,
    *,
    most: int,
) -> list[str]:
    """Return what to do, in a few sentences, the most important first.

    Args:
        most: Examples of the largest size, which a gain is over; `at` is smaller where it has too few seeds.
    """
    said = [f"With {at.examples:,} labelled examples {choice.reason}"]
    if choice.sureness:
        said.append(choice.sureness)
    said.append("; ".join(one.words for one in crossings) + "." if crossings else "")
    if more:
        first = more[0]
        low, high = first.gain_interval
        worth = "better" if METRICS[metric].higher_is_better else "lower"
        said.append(
            f"{first.examples:,} labelled examples would bring {choice.method} to a validation "
            f"{metric_title(metric)} of about {first.score:.4f}, {first.gain:.4f} {worth} "
            f"than {most:,} (95% interval of the gain: {low:.4f} to {high:.4f})."
        )
    else:
        said.append("What more labels would bring can't be told from one size, or from one seed a size.")
    return [sentence[0].upper() + sentence[1:] for sentence in said if sentence]


def cautions(sizes: Sequence[AtSize], metric: str) -> list[str]:
    """Return what a person should know before trusting the curves, each a sentence."""
    found = []
    for one in sizes:
        if len(one.seeds) < FEWEST_SEEDS:
            many = {1: "one seed", 2: "two seeds"}[len(one.seeds)]
            lacking = one.parts["validation"] is not None and len(one.seeds) == 1
            covered = " the interval knows nothing of its luck;" if lacking else ""
            found.append(
                f"{one.examples:,} examples: {many}, too few to show anything;{covered} more budget adds "
                "seeds."
            )
        missing = max(one.classes_without_examples, default=0)
        if missing:
            found.append(
                f"{one.examples:,} examples: up to {missing} of {one.classes} classes have none in the "
                "sample, as would happen to so few labels taken by chance; nobody can learn those."
            )
        longer = [
            method.name
            for method in one.methods
            if all(training.best_epoch == one.evaluations for training in method.trainings)
        ]
        if longer:
            found.append(
                f"{one.examples:,} examples: {', '.join(longer)} had the best validation score at the very "
                "end in every seed; a longer training or a higher rate may do better."
            )
    if len(sizes) == 2:
        found.append(
            "Two sizes don't tell whether a curve flattens: what more labels would bring spans nearly all "
            "between nothing and going on as before."
        )
    if not METRICS[metric].higher_is_better:
        found.append(f"Lower is better for {metric_title(metric)}.")
    return found


def _chosen(one: AtSize, settings: CompareSettings, known: Evidence) -> Choice:
    choice = choose(one.methods, settings, known)
    # What a comparison advises then, to list more seeds in params.yaml, is no help here: see `cautions`.
    return replace(choice, sureness="") if choice.decision == "few_seeds" else choice


def _weighed(one: AtSize, metric: str, split: str) -> Evidence:
    scores = {
        method.name: [getattr(training, split)[metric] for training in method.trainings]
        for method in one.methods
    }
    return weigh(scores, metric=metric, parts=one.parts[split])


def _shown(known: Evidence, one: str, other: str) -> int:
    difference = known.between(one, other)
    if not difference.claimed:
        return 0
    return 1 if difference.of(one).value > 0 else -1


def _forecast(sizes: Sequence[AtSize], name: str, metric: str) -> list[Forecast]:
    curve = []
    for one in sizes:
        method = next(method for method in one.methods if method.name == name)
        parts = one.parts["validation"]
        curve.append(
            Measured(
                one.examples,
                np.array([training.validation[metric] for training in method.trainings]),
                None if parts is None else resampled_scores(parts[name]).mean(axis=1),
            )
        )
    return forecast(curve, metric=metric, examples=[times * sizes[-1].examples for times in TIMES])


def _size_content(
    one: AtSize, choice: Choice, known: Evidence, tested: Evidence, metric: str
) -> dict[str, Any]:
    return {
        "size": one.size,
        "examples": one.examples,
        "seeds": one.seeds,
        "paired_by_example": one.parts["validation"] is not None,
        "passes": one.passes,
        "evaluations": one.evaluations,
        "classes": one.classes,
        "classes_without_examples": list(one.classes_without_examples),
        "chosen": choice.method,
        "decision": choice.decision,
        "reason": choice.reason,
        "sureness": choice.sureness,
        "methods": [
            {
                "method": method.name,
                "trained_compute": method.trained_compute,
                **{
                    split: {
                        "mean": evidence.means[method.name].value,
                        "interval": within_range(evidence.means[method.name].interval(), metric),
                        "each": [getattr(training, split)[metric] for training in method.trainings],
                    }
                    for split, evidence in (("validation", known), ("test", tested))
                },
            }
            for method in one.methods
        ],
        "differences": [difference_content(difference) for difference in known.differences],
    }
