from tritune.evidence import Difference, Evidence
from tritune.statistics.estimate import Estimate
from tritune.verdict import judged


def evidence(
    value: float, *, seeds: int = 5, spread: float = 0.01, examples: float = 0.0, rows: int | None = 400
):
    """Of `chosen` over `rival`."""
    ahead = Estimate(value, seeds, rows, spread**2 if seeds > 1 else None, examples**2)
    mean = Estimate(0.9, seeds, rows, spread**2 if seeds > 1 else None, examples**2)
    difference = Difference("chosen", "rival", ahead, ahead.p_value(), None)
    return Evidence({"chosen": mean, "rival": mean}, [difference])


def test_a_single_method_has_no_verdict():
    assert judged("chosen", None, 0.01, evidence(0)).decision == "only"


def test_one_seed_tells_nothing():
    verdict = judged("chosen", "rival", 0.01, evidence(0.2, seeds=1))
    assert verdict.decision == "few_seeds"
    assert (
        verdict.words == "One seed can't tell the methods from luck: list three or more seeds in params.yaml."
    )


def test_better_than_all_others_needs_no_words():
    assert judged("chosen", "rival", 0.01, evidence(0.05)) == type(
        judged("chosen", "rival", 0.01, evidence(0.05))
    )("better", "")


def test_as_good_says_how_much_better_the_rival_may_be():
    verdict = judged("chosen", "rival", 0.02, evidence(-0.003))
    assert verdict.decision == "as_good"
    # 0.003 + 2.776 * 0.01 / sqrt(5)
    assert verdict.words == "With 95% confidence rival is at most 0.0154 better."


def test_undecided_says_how_many_more_seeds_would_tell():
    verdict = judged("chosen", "rival", 0.005, evidence(-0.01, spread=0.02))
    assert verdict.decision == "undecided"
    assert verdict.words == (
        "Undecided: with 95% confidence rival is between 0.0348 better and 0.0148 worse; "
        "about 29 more seeds would tell."
    )


def test_undecided_for_want_of_rows_asks_for_rows():
    verdict = judged("chosen", "rival", 0.005, evidence(-0.01, spread=0.001, examples=0.02))
    # 400 rows * 0.02^2 / ((0.01 / 2.8016)^2 / 2)
    assert verdict.words == (
        "Undecided: with 95% confidence rival is between 0.0493 better and 0.0293 worse; more seeds alone "
        "would not tell on 400 validation rows; about 25,117 rows with 5 seeds would."
    )


def test_rows_are_not_asked_for_where_the_seeds_are_the_noise():
    words = judged("chosen", "rival", 0.001, evidence(-0.002, spread=0.03, examples=0.001)).words
    assert words.endswith("; not even 50 seeds would tell.")


def test_two_seeds_tell_nothing():
    assert judged("chosen", "rival", 0.01, evidence(0.2, seeds=2)).decision == "few_seeds"


def test_differences_without_any_spread_are_no_evidence():
    verdict = judged("chosen", "rival", 0.01, evidence(0.1, spread=0.0))
    assert verdict.decision == "undecided"
    assert verdict.words == (
        "Undecided: all seeds and examples differ by the same, which is too few to tell from."
    )


def test_two_that_score_the_same_without_a_margin_stay_undecided():
    words = judged("chosen", "rival", 0.0, evidence(0.0)).words
    assert words.endswith("nothing would tell two methods apart that score the same with a margin of 0.")
