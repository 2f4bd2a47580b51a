import numpy as np
import pytest
from scipy import stats

from tritune.statistics.estimate import Estimate, estimate


def test_seeds_alone_give_students_interval_and_test():
    values = np.array([0.1, 0.3, 0.2, 0.4])
    known = estimate(values, None, examples=None)
    reference = stats.ttest_1samp(values, 0.0)
    assert known.p_value() == pytest.approx(reference.pvalue)
    assert known.interval() == pytest.approx(list(reference.confidence_interval(0.95)))


def test_one_seed_knows_of_examples_only():
    draw = np.random.default_rng(0)
    known = estimate(np.array([0.5]), 0.5 + 0.1 * draw.normal(size=(4000, 1)), examples=1000)
    low, high = known.interval()
    assert low == pytest.approx(0.5 - 0.196, abs=0.01)
    assert high == pytest.approx(0.5 + 0.196, abs=0.01)


def test_without_seeds_or_examples_nothing_is_known():
    known = estimate(np.array([0.5]), None, examples=None)
    assert (known.known, known.interval(), known.p_value()) == (False, None, None)


def test_the_distances_of_seeds_and_examples_are_added_as_squares():
    values = np.array([0.0, 0.2])  # variance 0.02, of the mean 0.01
    resampled = np.array([[-0.1, -0.1], [0.1, 0.1]])  # variance of the mean 0.02
    known = estimate(values, resampled, examples=11)
    assert known.error == pytest.approx(0.03**0.5)
    assert known.reach(0.05) == pytest.approx((12.7062**2 * 0.01 + 2.22814**2 * 0.02) ** 0.5, rel=1e-4)


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_0():
    known = estimate(np.array([0.3, 0.5, 0.6]), np.array([[0.4] * 3, [0.5] * 3]), examples=50)
    assert known.reach(known.p_value()) == pytest.approx(known.value)


def test_no_difference_at_all_is_no_claim():
    known = estimate(np.zeros(3), np.zeros((10, 3)), examples=5)
    assert known.p_value() == 1.0
    assert known.interval() == [0.0, 0.0]


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("of_seeds", "of_examples"), [(1.0, 0.0), (1.0, 0.5), (0.2, 1.0)])
def test_the_interval_covers_the_truth(seeds, of_seeds, of_examples):
    """500 comparisons whose seeds and examples are both drawn: the truth, 0, is missed in at most 5 %."""
    draw = np.random.default_rng(1)
    examples, resamples, missed, repetitions = 100, 50, 0, 500
    for _ in range(repetitions):
        shift = draw.normal(scale=of_examples * 5, size=(examples, 1))
        answers = draw.normal(scale=of_seeds, size=(1, seeds)) + shift
        answers = answers + draw.normal(scale=2.0, size=(examples, seeds))
        times = draw.multinomial(examples, [1 / examples] * examples, size=resamples)
        known = estimate(answers.mean(axis=0), times @ answers / examples, examples=examples)
        low, high = known.interval()
        missed += not low <= 0 <= high
    # 5 %, and two standard errors of a rate of 5 % in 500 repetitions.
    assert missed / repetitions <= 0.05 + 2 * (0.05 * 0.95 / repetitions) ** 0.5


def test_two_seeds_that_agree_by_chance_do_not_make_a_claim():
    """Satterthwaite's degrees of freedom would miss the truth in about 12 % of these cases."""
    draw = np.random.default_rng(0)
    of_seeds, of_examples, satterthwaite, ours, repetitions = 0.9, 0.1, 0, 0, 4000
    for _ in range(repetitions):
        spread, value = 2 * of_seeds * draw.chisquare(1), draw.normal()
        known = Estimate(value, 2, 1000, spread, of_examples)
        ours += abs(value) > known.reach(0.05)
        degrees = (spread / 2 + of_examples) ** 2 / ((spread / 2) ** 2 + of_examples**2 / 999)
        satterthwaite += abs(value) > known.error * stats.t.isf(0.025, degrees)
    assert ours / repetitions <= 0.05
    assert satterthwaite / repetitions > 0.1
