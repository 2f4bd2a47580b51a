from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tritune.advise.timetable import Clock, cell_seconds, seconds_needed, seeds_within
from tritune.evidence import FEWEST_SEEDS


def test_every_size_has_three_seeds_before_any_has_more():
    # 3 * (1 + 3 + 10) = 42 seconds for three seeds each; two more of the small sizes are 2 + 6.
    costs = [1.0, 3.0, 10.0]
    asked = {"done": [0, 0, 0], "most": 5}
    assert seeds_within(costs, clock=Clock(42.0), **asked) == [3, 3, 3]
    assert seeds_within(costs, clock=Clock(44.0), **asked) == [5, 3, 3]
    assert seeds_within(costs, clock=Clock(50.0), **asked) == [5, 5, 3]
    assert seeds_within(costs, clock=Clock(70.0), **asked) == [5, 5, 5]
    assert seeds_within(costs, clock=Clock(30.0), **asked) == [5, 5, 1]
    assert seeds_within(costs, clock=Clock(0.9), **asked) == [0, 0, 0]


def test_what_is_done_costs_nothing_and_stays():
    assert seeds_within([1.0, 10.0], done=[5, 2], most=3, clock=Clock(9.0)) == [5, 2]
    assert seeds_within([1.0, 10.0], done=[5, 2], most=3, clock=Clock(10.0)) == [5, 3]


def test_places_side_by_side_take_cells_as_they_become_free():
    # Two places, one of them busy for 4 seconds: 3 + 3 on the free one and 3 after the 4.
    clock = Clock(0.0, busy=[4.0], places=2)
    assert seconds_needed([3.0], done=[0], counts=[3], clock=clock) == 7.0
    assert seconds_needed([3.0], done=[3], counts=[3], clock=clock) == 4.0


@given(
    st.lists(st.floats(0.5, 50.0), min_size=1, max_size=4).map(sorted),
    st.integers(1, 6),
    st.floats(0.0, 500.0),
    st.integers(1, 4),
)
@example([3.0, 19.0], 5, 15.0, 1)  # twice the time: three seeds and one instead of five and none
def test_a_plan_fits_its_time_and_more_time_takes_none_of_the_first_three(costs, most, seconds, places):
    none = [0] * len(costs)
    found = seeds_within(costs, done=none, most=most, clock=Clock(seconds, places=places))
    assert max(found) <= most
    if any(found):
        clock = Clock(seconds, places=places)
        assert seconds_needed(costs, done=none, counts=found, clock=clock) <= seconds
    doubled = seeds_within(costs, done=none, most=most, clock=Clock(2 * seconds, places=places))
    assert all(more >= min(count, FEWEST_SEEDS) for more, count in zip(doubled, found, strict=True))


def test_what_a_size_took_replaces_its_guess_and_corrects_those_of_others():
    guessed = {"100": 10.0, "1000": 50.0, "all": 200.0}
    assert cell_seconds(guessed, {}) == guessed
    found = cell_seconds(guessed, {"100": [14.0, 16.0]})
    assert found == {"100": 15.0, "1000": pytest.approx(75.0), "all": pytest.approx(300.0)}


def test_a_size_that_did_not_run_is_as_far_off_as_the_largest_that_did():
    guessed = {"100": 10.0, "1000": 50.0, "all": 200.0}
    found = cell_seconds(guessed, {"100": [5.0, 5.0, 5.0], "1000": [55.0]})
    assert found == {"100": 5.0, "1000": 55.0, "all": pytest.approx(220.0)}


def test_a_schedule_of_equal_cells_is_balanced_whenever_it_stops():
    """Cells begin in the order of sizes, seeds of a size one after the other."""
    done: Counter[int] = Counter()
    for _ in range(15):
        counts = seeds_within([1.0, 1.0, 1.0], done=[done[i] for i in range(3)], most=5, clock=Clock(100.0))
        done[next(i for i in range(3) if counts[i] > done[i])] += 1
        assert done[0] >= done[1] >= done[2]
    assert set(done.values()) == {5}
