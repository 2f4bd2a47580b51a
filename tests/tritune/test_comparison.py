import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.comparison import (
    Choice,
    Method,
    Training,
    choose,
    comparison_content,
    compute_per_token,
    table_rows,
)
from tritune.evidence import Evidence, weigh
from tritune.metrics.catalogue import metrics_of
from tritune.settings.decide import CompareSettings

METRICS = metrics_of("text_classification", objective="single_label")

WITHIN = CompareSettings(metric="macro_f1", rule="cheapest_not_worse", margin=0.01)
BEST = CompareSettings(metric="macro_f1", rule="best", margin=0.01)


def method(
    name: str,
    *scores: float,
    compute: float = 100.0,
    trainable: int = 50,
    test: float = 0.5,
    epochs: int = 2,
) -> Method:
    """A method with one training per validation score, seeds from 1."""
    trainings = [
        Training(
            seed=index + 1,
            validation=dict.fromkeys(METRICS, score),
            test=dict.fromkeys(METRICS, test),
            epochs=epochs,
            best_epoch=1,
            compute=compute,
        )
        for index, score in enumerate(scores)
    ]
    return Method(name, "full", trainable, 100, trainings)


def evidence(methods: list[Method], metric: str = "macro_f1") -> Evidence:
    """What the scores show where the examples behind them are not known."""
    scores = {one.name: [training.validation[metric] for training in one.trainings] for one in methods}
    return weigh(scores, metric=metric, parts=None)


def pick(methods: list[Method], settings: CompareSettings) -> Choice:
    return choose(methods, settings, evidence(methods, settings.metric))


def content_of(methods: list[Method], settings: CompareSettings) -> dict:
    known = evidence(methods, settings.metric)
    return comparison_content(
        methods, choose(methods, settings, known), settings, {"validation": known, "test": known}
    )


ONE_SEED = "One seed can't tell the methods from luck: list three or more seeds in params.yaml."


def test_best_takes_the_highest_mean():
    choice = pick([method("full", 0.90, 0.92, 0.91), method("partial", 0.89, 0.94, 0.915)], BEST)
    assert (choice.method, choice.seed) == ("partial", 2)
    assert choice.reason == (
        "partial ships: it has the highest validation macro F1, 0.9150 (mean of 3 seeds); next (full 0.9100)."
    )
    # 4.302653 * 0.015 / sqrt(3)
    assert choice.sureness.startswith(
        "Undecided: with 95% confidence full is between 0.0323 better and 0.0423 worse; about "
    )


def test_a_lower_score_is_better_where_the_metric_says_so():
    settings = CompareSettings(metric="negative_log_likelihood", rule="best")
    choice = pick([method("full", 0.3), method("partial", 0.2)], settings)
    assert choice.method == "partial"
    assert "lowest validation negative log likelihood, 0.2000" in choice.reason


def test_the_cheapest_not_worse_the_margin_ships():
    choice = pick([method("full", 0.915), method("partial", 0.912, compute=38.0)], WITHIN)
    assert choice.method == "partial"
    assert (choice.decision, choice.sureness) == ("few_seeds", ONE_SEED)
    assert choice.reason == (
        "partial ships: its validation macro F1 of 0.9120 is within 0.01 of the best (full, 0.9150), and of "
        "the methods that are it took the least compute to train, 38% of full's."
    )


def test_outside_the_margin_cheapness_does_not_count():
    choice = pick([method("full", 0.915), method("partial", 0.90, compute=38.0)], WITHIN)
    assert choice.method == "full"
    assert choice.reason == (
        "full ships: it has the highest validation macro F1, 0.9150; "
        "no other is within 0.01 of it (partial 0.9000)."
    )


def test_the_best_ships_when_it_is_also_the_cheapest_not_worse_the_margin():
    choice = pick([method("full", 0.915), method("partial", 0.916, compute=38.0)], WITHIN)
    assert choice.reason == (
        "partial ships: it has the highest validation macro F1, 0.9160, and of the methods within 0.01 of it "
        "(also full) it took the least compute to train."
    )


def test_the_margin_itself_is_within_in_spite_of_rounding():
    assert 0.91 - 0.90 > 0.01
    assert pick([method("full", 0.91), method("partial", 0.90, compute=1.0)], WITHIN).method == "partial"


def test_ties_go_to_compute_then_to_parameters_then_to_the_order():
    equal = [method("a", 0.9), method("b", 0.9, trainable=40), method("c", 0.9, trainable=40)]
    assert pick(equal, BEST).method == "b"
    assert pick(equal, WITHIN).method == "b"
    cheaper = method("d", 0.9, compute=99.0)
    assert pick([*equal, cheaper], BEST).method == "d"
    assert pick([*equal, cheaper], BEST).reason == (
        "d ships: no method has a better validation macro F1 (0.9000), and of those that share it "
        "(also a, b and c) it took the least compute to train."
    )
    assert "and stands first in the list of methods" in pick(equal, BEST).reason
    assert "and trained the fewest parameters" in pick(equal[:2], BEST).reason


def test_early_stopping_makes_a_method_cheaper():
    phases = [{"start": 0.0, "compute_per_token": 50.0}]
    assert [compute_per_token(phases, epochs=3, run=run) for run in (1, 3)] == [50.0, 150.0]


def test_a_training_that_stopped_early_counts_the_phases_that_it_reached():
    phases = [
        {"start": 0.0, "compute_per_token": 10.0},
        {"start": 0.25, "compute_per_token": 20.0},
        {"start": 0.5, "compute_per_token": 40.0},
    ]
    found = [compute_per_token(phases, epochs=4, run=run) for run in (1, 2, 3, 4)]
    assert found == [10.0, 30.0, 70.0, 110.0]


def test_the_compute_of_a_method_is_the_mean_over_its_seeds():
    trainings = [*method("a", 0.9, compute=10.0).trainings, *method("a", 0.9, compute=40.0).trainings]
    assert Method("a", "full", 50, 100, trainings).trained_compute == 25.0


def test_the_first_seed_ships_in_a_tie():
    assert pick([method("full", 0.8, 0.9, 0.9)], BEST).seed == 2


def test_a_single_method_ships_and_says_so():
    assert pick([method("full", 0.9)], WITHIN).reason == (
        "full ships as the only method compared (validation macro F1 0.9000)."
    )


scores = st.floats(0, 1, allow_nan=False)


@given(
    st.lists(st.tuples(scores, scores, st.floats(1, 100)), min_size=1, max_size=5),
    st.lists(scores, min_size=5, max_size=5),
    st.sampled_from([WITHIN, BEST]),
)
def test_test_scores_never_change_the_choice(given_methods, other_tests, settings):
    def build(tests):
        return [
            method(f"m{i}", validation, compute=compute, test=test)
            for i, ((validation, _, compute), test) in enumerate(zip(given_methods, tests, strict=False))
        ]

    ours = build([test for _, test, _ in given_methods])
    assert pick(ours, settings) == pick(build(other_tests), settings)


@given(st.lists(st.tuples(scores, st.floats(1, 100)), min_size=1, max_size=5))
def test_the_chosen_is_within_the_margin_and_none_within_is_cheaper(given_methods):
    methods = [method(f"m{i}", score, compute=c) for i, (score, c) in enumerate(given_methods)]
    by_name = {one.name: one for one in methods}
    chosen = by_name[pick(methods, WITHIN).method]
    best = max(one.mean("macro_f1") for one in methods)
    assert chosen.mean("macro_f1") >= best - 0.01 - 1e-8
    for one in methods:
        if one.mean("macro_f1") >= best - 0.01:
            assert chosen.trained_compute <= one.trained_compute


def test_content_has_means_and_spreads_by_hand():
    methods = [method("full", 0.90, 0.94, test=0.7), method("partial", 0.5, 0.5)]
    content = content_of(methods, BEST)
    full = content["methods"][0]
    assert content["chosen"] == {"method": "full", "seed": 2}
    assert full["validation"]["macro_f1"] == pytest.approx(0.92)
    assert full["validation_spread"]["macro_f1"]["sd"] == pytest.approx(0.02 * 2**0.5)
    assert full["validation_spread"]["macro_f1"]["range"] == [0.90, 0.94]
    assert full["test"]["macro_f1"] == pytest.approx(0.7)
    assert full["trained_compute"] == 100.0
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_a_single_seed_has_no_spread():
    methods = [method("full", 0.9)]
    content = content_of(methods, BEST)
    assert content["methods"][0]["validation_spread"] is None
    (row,) = table_rows(content)
    assert row["validation_macro_f1"] == 0.9
    assert row["validation_macro_f1_sd"] == ""
    assert row["chosen"] == "true"


def test_a_method_shown_to_be_worse_does_not_ship_however_cheap():
    full = method("full", 0.90, 0.91, 0.92, 0.91)
    partial = method("partial", 0.85, 0.862, 0.87, 0.86, compute=1.0)
    choice = pick([full, partial], WITHIN)
    assert (choice.method, choice.decision) == ("full", "better")
    assert choice.reason == (
        "full ships: it has the highest validation macro F1, 0.9100 (mean of 4 seeds); all others are worse "
        "with 95% confidence (partial 0.8605)."
    )


def test_a_cheaper_method_ships_if_it_is_not_shown_to_be_worse():
    full = method("full", 0.900, 0.910, 0.920, 0.910)
    partial = method("partial", 0.899, 0.909, 0.919, 0.908, compute=38.0)
    choice = pick([full, partial], WITHIN)
    assert (choice.method, choice.decision) == ("full", "better")  # by 0.001 or 0.002 with every seed
    partial = method("partial", 0.899, 0.911, 0.919, 0.908, compute=38.0)
    choice = pick([full, partial], WITHIN)
    assert (choice.method, choice.decision) == ("partial", "as_good")
    assert choice.reason == (
        "partial ships: its validation macro F1 of 0.9093 (mean of 4 seeds) is not shown to be worse than "
        "the best (full, 0.9100), and of the methods that are it took the least compute to train, 38% of "
        "full's."
    )
    assert choice.sureness == "With 95% confidence full is at most 0.0028 better."


def test_the_content_tells_every_difference():
    methods = [method("full", 0.90, 0.92, 0.94), method("partial", 0.80, 0.81, 0.85, compute=1.0)]
    content = content_of(methods, WITHIN)
    (difference,) = content["differences"]
    assert (difference["first"], difference["second"]) == ("full", "partial")
    assert difference["advantage"] == pytest.approx(0.1)
    assert difference["interval"] == pytest.approx(
        [0.1 - 4.302653 * 0.01 / 3**0.5, 0.1 + 4.302653 * 0.01 / 3**0.5]
    )
    assert difference["claimed"]
    assert content["methods"][0]["validation_interval"] == pytest.approx(
        [0.92 - 4.302653 * 0.02 / 3**0.5, 0.92 + 4.302653 * 0.02 / 3**0.5]
    )
    assert content["decision"] == "better"


def test_an_interval_ends_where_the_metric_does():
    content = content_of([method("full", 0.90, 0.99)], BEST)
    low, high = content["methods"][0]["validation_interval"]
    assert (high, low < 0.9) == (1.0, True)


def test_two_seeds_can_show_nothing_so_the_margin_decides():
    full, partial = method("full", 0.85, 0.83), method("partial", 0.70, 0.72, compute=1.0)
    choice = pick([full, partial], WITHIN)
    assert (choice.method, choice.decision) == ("full", "few_seeds")
    assert (
        choice.sureness
        == "Two seeds can't tell the methods from luck: list three or more seeds in params.yaml."
    )


def test_what_lies_beyond_the_margin_with_all_of_its_interval_does_not_ship():
    """Holm's correction for three pairs claims nothing here, but nobody would ship 12 points less."""
    methods = [
        method("full", 0.85, 0.83, 0.80),
        method("partial", 0.70, 0.72, 0.74, compute=1.0),
        method("adaptive", 0.85, 0.84, 0.83),
    ]
    assert not evidence(methods).shown_worse("partial", "adaptive")
    assert pick(methods, WITHIN).method != "partial"
