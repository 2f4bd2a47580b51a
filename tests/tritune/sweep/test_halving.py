import math

import pytest

from tritune.sweep.halving import Rung, Trial, beside, bottom, halve, mean_loss

RUNGS = (Rung(1 / 8, kept=3), Rung(1 / 4, kept=3), Rung(1 / 2, kept=1))


def search(loss, *, octaves=(-2, -1, 0, 1, 2), seeds=(1, 2), lowest=-5, highest=4, rungs=RUNGS):
    def measure(number, octave, seed):
        return Trial(number, octave, seed, loss(number, octave, seed))

    return halve(measure, rungs=rungs, octaves=octaves, seeds=seeds, lowest=lowest, highest=highest)


def tried(trials, number):
    return [trial.octave for trial in trials if trial.round == number and trial.seed == 1]


@pytest.mark.parametrize("best", [-4.4, -3, -1.25, 0, 0.49, 0.51, 2, 2.8, 3.4])
def test_the_bottom_of_a_parabola_is_found_wherever_it_lies(best):
    trials, found = search(lambda _, octave, __: 0.3 * (octave - best) ** 2 + 1)
    assert found == pytest.approx(best, abs=0.005)
    assert {-2, -1, 0, 1, 2} <= set(tried(trials, 0))


def test_the_rounds_shrink_as_asked_where_the_best_lies_inside():
    trials, found = search(lambda _, octave, __: (octave - 0.1) ** 2)
    assert found == 0.1
    assert [tried(trials, number) for number in range(3)] == [[-2, -1, 0, 1, 2], [-1, 0, 1], [-1, 0, 1]]
    assert len(trials) == 2 * (5 + 3 + 3)


def test_a_best_rate_that_falls_with_the_length_is_followed_down():
    trials, found = search(lambda number, octave, _: (octave - (1.9 - 1.5 * number)) ** 2)
    assert found == -1.1
    assert tried(trials, 1) == [1, 2, 3, 0, -1]
    assert tried(trials, 2) == [-1, 0, 1, -2]


def test_no_rate_is_tried_twice_in_a_round_and_none_outside_the_limits():
    trials, found = search(lambda _, octave, __: -octave, highest=3)
    assert found == 3
    assert len({(trial.round, trial.octave, trial.seed) for trial in trials}) == len(trials)
    assert max(trial.octave for trial in trials) == 3


def test_a_rate_that_went_astray_from_one_seed_is_out():
    def loss(_, octave, seed):
        return None if octave >= 1 and seed == 2 else -octave

    trials, found = search(loss)
    assert found == 0
    assert tried(trials, 1) == [-2, -1, 0, 1]  # again, for 0 is the highest of those kept
    assert tried(trials, 2) == [-2, -1, 0, 1]


def test_where_all_go_astray_lower_ones_are_tried_down_to_the_limit():
    trials, found = search(lambda _, octave, __: None if octave > -4 else 1.0)
    assert found == -5
    assert tried(trials, 0) == [-2, -1, 0, 1, 2, -3, -4, -5]
    trials, found = search(lambda *_: None)
    assert found is None
    assert tried(trials, 0)[-1] == -5
    assert not tried(trials, 1)


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        ({-1: 3.0, 0: 1.0, 1: 3.0}, 0.0),
        ({-1: 2.0, 0: 1.0, 1: 5.0}, -0.3),  # 0 + (2 - 5) / (2 * (2 - 2 + 5))
        ({0: 1.0, 1: 1.0, 2: 9.0}, 0.0),  # of equals the lower one, which has no neighbour below
        ({-1: 1.5, 0: 1.0, 1: math.inf}, 0.0),
        ({0: 1.0}, 0.0),
        ({-1: 1.0, 0: 1.0, 1: 1.0}, -1.0),
    ],
)
def test_what_is_taken_lies_at_the_bottom_of_the_parabola_through_three(losses, found):
    assert bottom(losses) == found


def test_of_equal_losses_the_lower_rate_is_taken():
    assert search(lambda *_: 1.0, lowest=-2)[1] == -2


def test_a_seed_s_rates_run_one_after_the_other():
    order = []

    def loss(number, octave, seed):
        order.append((number, seed))
        return octave**2

    search(loss, rungs=RUNGS[:1])
    assert order == [(0, 1)] * 5 + [(0, 2)] * 5


def test_all_seeds_count_alike():
    trials = [Trial(0, 0, 1, 0.5), Trial(0, 0, 2, 1.5)]
    assert mean_loss(trials) == 1.0
    assert mean_loss([*trials, Trial(0, 0, 3, None)]) == math.inf


@pytest.mark.parametrize(
    ("losses", "following"),
    [
        ({-1: 3.0, 0: 2.0, 1: 3.0}, []),
        ({-1: 1.0, 0: 2.0}, [-2]),
        ({-1: 2.0, 0: 1.0}, [1]),
        ({0: 1.0}, [-1]),
        ({0: math.inf, 1: math.inf}, [-1]),
        ({0: 1.0, 1: math.inf}, [-1]),
    ],
)
def test_the_next_to_try_lies_beside_the_best(losses, following):
    assert beside(losses) == following
