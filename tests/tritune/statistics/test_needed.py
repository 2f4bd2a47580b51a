import numpy as np
import pytest

from tritune.statistics.estimate import Estimate, estimate
from tritune.statistics.needed import examples_needed, seeds_needed


def known(**more) -> Estimate:
    values = {
        "value": 0.5,
        "seeds": 3,
        "examples": 1000,
        "variance_of_seeds": 1.0,
        "variance_of_examples": 0.0,
    }
    return Estimate(**{**values, **more})


def test_the_seeds_that_are_asked_for_give_the_power_that_is_promised():
    difference = estimate(np.array([0.0, 1.0, 2.0]), None, examples=None)  # mean 1, variance 1
    needed = seeds_needed(difference, target=1.0, level=0.05)
    draw = np.random.default_rng(0)
    claims = [
        estimate(draw.normal(1.0, 1.0, size=needed), None, examples=None).p_value() < 0.05 for _ in range(500)
    ]
    assert np.mean(claims) == pytest.approx(0.8, abs=0.06)


def test_no_number_of_seeds_helps_where_the_examples_are_too_few():
    difference = known(variance_of_examples=0.04, variance_of_seeds=0.1)
    assert seeds_needed(difference, target=0.5, level=0.05) is None
    # 2.8 standard errors of at most 0.5: a variance of 0.0319, half of it for examples and half for seeds.
    examples, seeds = examples_needed(difference, target=0.5, level=0.05)
    assert examples == pytest.approx(1000 * 0.04 / 0.01593, rel=0.01)
    assert seeds == 7


def test_no_number_of_examples_helps_where_the_seeds_are_the_noise():
    assert examples_needed(known(variance_of_examples=0.04), target=0.5, level=0.05) is None


def test_where_the_examples_say_nothing_their_number_is_not_told():
    assert examples_needed(known(examples=None), target=0.5, level=0.05) is None
