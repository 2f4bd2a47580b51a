import numpy as np
import pytest

from tritune.metrics.sums import mean_parts
from tritune.statistics.resample import RESAMPLES, plain_score, resampled_scores


def test_the_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=400)
    scores = resampled_scores([mean_parts(range(400), values)])
    assert scores.shape == (RESAMPLES, 1)
    assert scores.std() == pytest.approx(values.std() / 20, rel=0.1)


def test_trainings_are_paired():
    values = np.random.default_rng(0).normal(size=50)
    one, other = resampled_scores([mean_parts(range(50), values), mean_parts(range(50), values + 1)]).T
    assert other - one == pytest.approx(np.ones(RESAMPLES))


def test_the_same_parts_give_the_same_numbers():
    parts = mean_parts(range(7), np.arange(7))
    assert (resampled_scores([parts]) == resampled_scores([parts])).all()


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match="not scored on the same examples"):
        resampled_scores([mean_parts(["a", "b"], np.zeros(2)), mean_parts(["a", "c"], np.zeros(2))])


def test_the_plain_score_is_that_of_all_examples():
    assert plain_score(mean_parts(range(4), np.array([1, 2, 3, 4]))) == 2.5
