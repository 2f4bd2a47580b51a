"""Tests of paired scores: their laws, numbers by hand, and how often they are wrong, counted exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tritune.promotion.paired_tests import non_inferiority_p, worse_p


def pairs(*, gained: int, lost: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Champion and challenger who differ on that many rows, and are both right on the others."""
    champion, challenger = np.ones(rows), np.ones(rows)
    champion[:gained] = 0
    challenger[gained : gained + lost] = 0
    return champion, challenger


COUNTS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 60)).filter(lambda c: sum(c) >= 2)


@given(counts=COUNTS, margin=st.floats(0.001, 0.5))
def test_one_more_row_gained_never_makes_it_harder_to_pass(counts, margin):
    gained, lost, same = counts
    rows = gained + lost + same + 1
    less = non_inferiority_p(*pairs(gained=gained, lost=lost, rows=rows), margin=margin)
    more = non_inferiority_p(*pairs(gained=gained + 1, lost=lost, rows=rows), margin=margin)
    assert more <= less + 1e-12


@given(counts=COUNTS, margins=st.tuples(st.floats(0.001, 0.5), st.floats(0.001, 0.5)))
def test_a_wider_margin_never_makes_it_harder_to_pass(counts, margins):
    gained, lost, same = counts
    champion, challenger = pairs(gained=gained, lost=lost, rows=gained + lost + same)
    narrow, wide = sorted(margins)
    assert non_inferiority_p(champion, challenger, margin=wide) <= (
        non_inferiority_p(champion, challenger, margin=narrow) + 1e-12
    )


def test_without_a_margin_tango_s_statistic_is_mcnemar_s():
    champion, challenger = pairs(gained=15, lost=5, rows=100)
    expected = stats.norm.sf((15 - 5) / np.sqrt(15 + 5))
    assert non_inferiority_p(champion, challenger, margin=0) == pytest.approx(expected)


def test_identical_answers_pass_where_the_rows_are_enough_for_the_margin():
    # No row differs: the statistic is n * margin / sqrt(n * margin * (1 - margin)).
    for rows, passes in ((100, False), (300, True)):
        champion, challenger = pairs(gained=0, lost=0, rows=rows)
        p = non_inferiority_p(champion, challenger, margin=0.01)
        assert p == pytest.approx(stats.norm.sf(np.sqrt(rows * 0.01 / 0.99)))
        assert (p <= 0.05) is passes


def error_rate(*, rows: int, margin: float, differing: float) -> float:
    """How often a challenger that is worse by exactly the margin passes at 5 %: a sum over all outcomes."""
    lost = (differing + margin) / 2
    gained = lost - margin
    total = 0.0
    for number in range(min(rows, int(rows * differing + 9 * np.sqrt(rows * differing) + 9)) + 1):
        chance = stats.binom.pmf(number, rows, differing)
        wins = stats.binom.pmf(np.arange(number + 1), number, gained / differing)
        passed = [
            non_inferiority_p(*pairs(gained=won, lost=number - won, rows=rows), margin=margin) <= 0.05
            for won in range(number + 1)
        ]
        total += chance * float(wins @ np.array(passed))
    return total


@pytest.mark.parametrize("rows", [50, 100])
@pytest.mark.parametrize("margin", [0.01, 0.05])
@pytest.mark.parametrize("differing", [0.05, 0.15])
def test_a_challenger_worse_by_the_margin_passes_about_once_in_twenty(rows, margin, differing):
    assert error_rate(rows=rows, margin=margin, differing=differing) <= 0.06


def test_a_challenger_that_is_as_good_passes_more_often_than_one_that_is_worse():
    draw = np.random.default_rng(0)

    def passed(shift: float) -> float:
        hits = 0
        for _ in range(400):
            champion = draw.normal(size=200)
            challenger = champion + draw.normal(size=200) * 0.3 + shift
            hits += non_inferiority_p(champion, challenger, margin=0.05) <= 0.05
        return hits / 400

    assert passed(-0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert passed(0.0) > 0.6


def test_scores_that_all_differ_by_the_same_need_no_spread():
    champion = np.linspace(0.2, 0.8, 7)
    assert non_inferiority_p(champion, champion - 0.02, margin=0.05) == 0.0
    assert non_inferiority_p(champion, champion - 0.2, margin=0.05) == 1.0


def test_worse_is_shown_by_the_binomial_of_the_rows_that_differ():
    champion, challenger = pairs(gained=1, lost=8, rows=30)
    assert worse_p(champion, challenger) == pytest.approx((9 + 1) / 2**9)
    assert worse_p(*pairs(gained=0, lost=0, rows=30)) == 1.0


@given(counts=COUNTS)
def test_worse_and_better_are_never_both_shown(counts):
    gained, lost, same = counts
    champion, challenger = pairs(gained=gained, lost=lost, rows=gained + lost + same)
    assert worse_p(champion, challenger) + worse_p(challenger, champion) >= 1.0 - 1e-9


def test_one_row_shows_nothing():
    assert non_inferiority_p(np.zeros(1), np.ones(1), margin=0.1) == 1.0


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(ValueError, match="margin must be at least 0"):
        non_inferiority_p(np.zeros(3), np.ones(3), margin=margin)


def test_scores_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="are not of the same rows"):
        non_inferiority_p(np.zeros(3), np.ones(4), margin=0.1)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        worse_p(np.zeros(3), np.full(3, 0.5))
