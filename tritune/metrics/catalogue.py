"""Every score that a model is given: what it is called, which way it is better, and which task has it.

Light: imports neither numpy nor scikit-learn.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One score."""

    title: str
    """For people."""

    higher_is_better: bool = True
    per_epoch: bool = True
    """Whether it is known after each epoch; what needs generated text is known at the end only."""

    lowest: float = 0.0
    highest: float = 1.0
    """The ends of its range."""


NEGATIVE_LOG_LIKELIHOOD = "negative_log_likelihood"

SMALLEST_PROBABILITY = 1e-12
"""float32 probabilities can be exactly 0, as can that of a class without training rows: at most 27.6 nats."""

METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "macro_f1": Metric("macro F1"),
    "weighted_f1": Metric("weighted F1"),
    "micro_f1": Metric("micro F1"),
    "matthews_correlation": Metric("Matthews correlation", lowest=-1.0),
    "exact_match": Metric("exact match"),
    "answer_f1": Metric("answer F1"),
    "entity_f1": Metric("entity F1"),
    "entity_precision": Metric("entity precision"),
    "entity_recall": Metric("entity recall"),
    "rouge_l": Metric("ROUGE-L", per_epoch=False),
    "chrf": Metric("chrF", per_epoch=False, highest=100.0),
    "bleu": Metric("BLEU", per_epoch=False, highest=100.0),
    "distinct_1": Metric("distinct-1", per_epoch=False),
    "distinct_2": Metric("distinct-2", per_epoch=False),
    "perplexity": Metric("perplexity", higher_is_better=False, lowest=1.0, highest=math.inf),
    NEGATIVE_LOG_LIKELIHOOD: Metric("negative log likelihood", higher_is_better=False, highest=math.inf),
    "expected_calibration_error": Metric("expected calibration error", higher_is_better=False),
}
"""A name means the same in every task."""

_OF: Mapping[str, tuple[str, ...]] = {
    "text_classification": (
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "matthews_correlation",
        NEGATIVE_LOG_LIKELIHOOD,
        "expected_calibration_error",
    ),
    "text_classification/multi_label": (
        "micro_f1",
        "macro_f1",
        "weighted_f1",
        "exact_match",
        NEGATIVE_LOG_LIKELIHOOD,
    ),
    "named_entity_recognition": (
        "entity_f1",
        "entity_precision",
        "entity_recall",
        "accuracy",
        NEGATIVE_LOG_LIKELIHOOD,
    ),
    "question_answering": ("answer_f1", "exact_match", NEGATIVE_LOG_LIKELIHOOD),
    "dialogue": (
        "perplexity",
        NEGATIVE_LOG_LIKELIHOOD,
        "rouge_l",
        "chrf",
        "bleu",
        "distinct_1",
        "distinct_2",
    ),
}

_MAIN: Mapping[str, str] = {
    "text_classification": "macro_f1",
    "text_classification/multi_label": "micro_f1",
    "named_entity_recognition": "entity_f1",
    "question_answering": "answer_f1",
    "dialogue": "perplexity",
}

GENERATED = frozenset({"causal_lm", "sequence_to_sequence"})
"""Objectives whose answers are generated text."""


def metrics_of(task: str, *, objective: str) -> tuple[str, ...]:
    """Return the names of a task's scores, the most telling first.

    Args:
        task: As in params.yaml.
        objective: What the model is trained for; only `multi_label` changes which scores there are.
    """
    return _OF[_key(task, objective)]


def per_epoch_metrics(task: str, *, objective: str) -> tuple[str, ...]:
    """Return those of them that are known after each epoch; never empty.

    Right or wrong answers are not, where a model has to generate them: that takes longer than the epoch.
    """
    hidden = {"exact_match", "answer_f1"} if objective in GENERATED else set()
    return tuple(
        name
        for name in metrics_of(task, objective=objective)
        if METRICS[name].per_epoch and name not in hidden
    )


def main_metric(task: str, *, objective: str, per_epoch: bool = False) -> str:
    """Return the score that `auto` stands for.

    Args:
        per_epoch: Whether it has to be known after each epoch.
    """
    main = _MAIN[_key(task, objective)]
    known = per_epoch_metrics(task, objective=objective)
    return main if not per_epoch or main in known else NEGATIVE_LOG_LIKELIHOOD


def advantage(metric: str, score: float, other: float) -> float:
    """Return by how much `score` is better than `other`, in the metric's unit; negative if worse."""
    return score - other if METRICS[metric].higher_is_better else other - score


def metric_title(metric: str) -> str:
    """Return a metric's name for people: `macro F1` for `macro_f1`; an unknown one as it is."""
    return METRICS[metric].title if metric in METRICS else metric


def _key(task: str, objective: str) -> str:
    return f"{task}/multi_label" if objective == "multi_label" else task
