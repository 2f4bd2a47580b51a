"""The promotion gate: who may take the champion's place, and what is said to who may not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.pipeline.gate import Contender, refusal

CHAMPION = Contender("v0.0.1", {"macro_f1": 0.9, "negative_log_likelihood": 0.3}, "rows")
CANDIDATE = Contender("v0.0.2", {"macro_f1": 0.9, "negative_log_likelihood": 0.3}, "rows")
SCORES = st.floats(0, 1)
MARGINS = st.floats(0, 0.5)


def with_score(score: float, *, metric: str = "macro_f1") -> Contender:
    return replace(CANDIDATE, test={metric: score})


@pytest.mark.parametrize(
    ("score", "passes"), [(0.95, True), (0.9, True), (0.89, True), (0.8899, False), (0.0, False)]
)
def test_a_score_exactly_the_margin_below_is_the_last_that_passes(score: float, passes: bool):
    assert (refusal(with_score(score), CHAMPION, metric="macro_f1", margin=0.01) is None) is passes


@pytest.mark.parametrize(("score", "passes"), [(0.1, True), (0.31, True), (0.3101, False)])
def test_where_lower_is_better_the_margin_lies_above(score: float, passes: bool):
    candidate = with_score(score, metric="negative_log_likelihood")
    assert (refusal(candidate, CHAMPION, metric="negative_log_likelihood", margin=0.01) is None) is passes


@given(score=SCORES, better=SCORES, margin=MARGINS)
def test_what_passes_with_a_score_passes_with_a_better_one(score: float, better: float, margin: float):
    low, high = sorted((score, better))
    if refusal(with_score(low), CHAMPION, metric="macro_f1", margin=margin) is None:
        assert refusal(with_score(high), CHAMPION, metric="macro_f1", margin=margin) is None


@given(score=SCORES, margin=MARGINS)
def test_the_champions_own_score_passes_with_any_margin(score: float, margin: float):
    champion = replace(CHAMPION, test={"macro_f1": score})
    assert refusal(with_score(score), champion, metric="macro_f1", margin=margin) is None


def test_a_worse_score_is_refused_with_both_scores_and_the_next_move():
    assert refusal(with_score(0.8), CHAMPION, metric="macro_f1", margin=0.01) == (
        "v0.0.2 is worse than the champion v0.0.1 on the same test set: test macro_f1 0.8000 and 0.9000, and "
        "register.margin in params.yaml allows 0.01; train a better one, or promote it all the same with "
        "`tritune promote v0.0.2 --force`"
    )


def test_better_scores_on_other_rows_are_refused():
    candidate = replace(with_score(0.99), test_set="other rows")
    assert refusal(candidate, CHAMPION, metric="macro_f1", margin=0.01) == (
        "v0.0.2 and the champion v0.0.1 were tested on different rows, so that test macro_f1 0.9900 and "
        "0.9000 say nothing about which is better; score both on the same rows (give your data a test split "
        "of its own and it stays the same), or promote it all the same with `tritune promote v0.0.2 --force`"
    )


@pytest.mark.parametrize(
    ("candidate", "champion", "silent"),
    [(None, "rows", "v0.0.2"), ("rows", None, "v0.0.1"), (None, None, "v0.0.2")],
)
def test_unknown_test_rows_are_refused(candidate: str | None, champion: str | None, silent: str):
    sentence = refusal(
        replace(CANDIDATE, test_set=candidate),
        replace(CHAMPION, test_set=champion),
        metric="macro_f1",
        margin=0.01,
    )
    assert sentence == (
        "v0.0.2 and the champion v0.0.1 (test macro_f1 0.9000 and 0.9000) may have been tested on different "
        f"rows: which ones {silent} was tested on is not on record; compare them yourself on the same rows "
        "with `tritune predict`, or promote it all the same with `tritune promote v0.0.2 --force`"
    )


@pytest.mark.parametrize(("side", "silent"), [("candidate", "v0.0.2"), ("champion", "v0.0.1")])
def test_a_missing_score_is_refused(side: str, silent: str):
    pair = {"candidate": CANDIDATE, "champion": CHAMPION}
    pair[side] = replace(pair[side], test={})
    assert refusal(pair["candidate"], pair["champion"], metric="macro_f1", margin=0.01) == (
        f"v0.0.2 and the champion v0.0.1 cannot be compared: {silent} has no test macro_f1 in "
        "results/comparison.json; set compare.metric in params.yaml to one that both have, or promote it all "
        "the same with `tritune promote v0.0.2 --force`"
    )
