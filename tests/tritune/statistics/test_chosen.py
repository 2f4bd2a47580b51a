import numpy as np
import pytest
from scipy.stats import dunnett, ttest_rel

from tritune.statistics.chosen import chance_of_rise


def test_of_a_single_time_it_is_the_paired_t_test():
    draw = np.random.default_rng(0)
    earlier = draw.normal(0.02, 0.01, 20)
    later = earlier + draw.normal(0.001, 0.004, 20)
    assert chance_of_rise((later - earlier)[None], 0) == pytest.approx(
        ttest_rel(later, earlier, alternative="greater").pvalue
    )


def test_times_that_are_alike_count_once_and_such_as_differ_almost_in_full():
    draw = np.random.default_rng(1)
    own = draw.normal(size=20)
    own += 0.3 - own.mean()
    single = chance_of_rise(own[None], 0)
    alike = own + 1e-6 * draw.normal(size=(10, 20))
    assert 0.001 < single < 0.05
    assert chance_of_rise(alike, 0) == pytest.approx(single, abs=0.005)
    other = np.vstack([own, draw.normal(size=(9, 20))])
    assert 5 * single < chance_of_rise(other, 0) <= 10 * single


def test_with_many_groups_it_is_dunnett_s_test():
    """Against one control the statistics are correlated by a half."""
    draw = np.random.default_rng(2)
    control, treated = draw.normal(0.1, 1.0, 2000), draw.normal(size=(4, 2000))
    reference = dunnett(*treated, control=control, alternative="less", random_state=draw).pvalue
    found = [chance_of_rise(control - treated, each) for each in range(4)]
    assert found == pytest.approx(reference, abs=0.02)


def test_the_lowest_of_many_is_a_false_alarm_no_more_often_than_its_level():
    """Ten times whose differences wander or jump by chance; the lowest is picked afterwards."""
    draw = np.random.default_rng(3)
    for wander in (True, False):
        alarms = 0
        for _ in range(300):
            parts = draw.normal(size=(11, 20))
            parts = parts.cumsum(axis=0) if wander else parts
            rise = parts[-1] - parts[:-1]
            alarms += chance_of_rise(rise, int(rise.sum(axis=1).argmax())) <= 0.1
        assert 0.03 * 300 < alarms <= 0.13 * 300  # two standard errors above a tenth


def test_without_any_spread_it_is_sure():
    assert chance_of_rise(np.array([[0.5, 0.5], [0.1, 0.2]]), 0) == 0.0
    assert chance_of_rise(np.zeros((2, 3)), 1) == 1.0
    assert chance_of_rise(np.array([[0.5, 0.5], [0.1, 0.2]]), 1) <= 1.0


def test_it_is_the_same_each_time():
    rise = np.random.default_rng(4).normal(0.2, 1.0, (6, 20))
    assert chance_of_rise(rise, 2) == chance_of_rise(rise.copy(), 2)
