from typing import get_args

import pytest

from tritune.families import OBJECTIVES
from tritune.metrics.catalogue import (
    METRICS,
    advantage,
    main_metric,
    metric_title,
    metrics_of,
    per_epoch_metrics,
)
from tritune.settings.train import MetricName

PAIRS = [(task, objective) for task, families in OBJECTIVES.items() for objective in families.values()]
PAIRS.append(("text_classification", "multi_label"))


def test_params_yaml_may_name_exactly_these():
    assert set(get_args(MetricName)) == {"auto", *METRICS}


@pytest.mark.parametrize(("task", "objective"), PAIRS)
def test_every_task_has_a_loss_and_a_main_metric_that_is_known_when_it_is_needed(task, objective):
    every, epoch = metrics_of(task, objective=objective), per_epoch_metrics(task, objective=objective)
    assert set(epoch) <= set(every) <= set(METRICS)
    assert "negative_log_likelihood" in epoch
    assert main_metric(task, objective=objective) in every
    assert main_metric(task, objective=objective, per_epoch=True) in epoch


def test_answers_that_must_be_generated_are_not_known_after_each_epoch():
    assert main_metric("question_answering", objective="spans", per_epoch=True) == "answer_f1"
    assert (
        main_metric("question_answering", objective="causal_lm", per_epoch=True) == "negative_log_likelihood"
    )
    assert main_metric("question_answering", objective="causal_lm") == "answer_f1"


def test_advantage_is_positive_for_the_better_score():
    assert advantage("accuracy", 0.9, 0.8) == pytest.approx(0.1)
    assert advantage("perplexity", 9.0, 8.0) == pytest.approx(-1.0)


def test_titles_are_for_people():
    assert metric_title("macro_f1") == "macro F1"
    assert metric_title("the_users_own") == "the_users_own"
