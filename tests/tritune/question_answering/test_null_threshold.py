import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tritune.question_answering.null_threshold import best_threshold


def total(threshold, leads, answered, unanswered):
    return sum(a if lead <= threshold else u for lead, a, u in zip(leads, answered, unanswered, strict=True))


def test_the_cut_lies_half_way_between_what_should_and_what_should_not_be_answered():
    leads = [-3.0, 1.0, 4.0, 6.0]
    assert best_threshold(leads, [1, 1, 0, 0], [0, 0, 1, 1]) == 2.5


def test_of_equally_good_cuts_the_one_nearest_to_0_is_taken():
    # Answering the second question or not gives the same.
    assert best_threshold([-5.0, -1.0, 3.0], [1, 0.5, 0], [0, 0.5, 1]) == 1.0


def test_where_everything_should_be_answered_the_threshold_is_above_all():
    assert best_threshold([-5.0, 7.0], [1, 1], [0, 0]) == 8.0
    assert best_threshold([-5.0, -2.0], [1, 1], [0, 0]) == 0.0


def test_where_nothing_should_be_answered_the_threshold_is_below_all():
    assert best_threshold([2.0, 7.0], [0, 0], [1, 1]) == 0.0
    assert best_threshold([-2.0, 7.0], [0, 0], [1, 1]) == -3.0


def test_a_question_without_a_span_decides_nothing():
    assert best_threshold([math.inf, 1.0, 3.0], [0, 1, 0], [1, 0, 1]) == 2.0
    assert best_threshold([math.inf], [0], [1]) == 0.0


questions = st.lists(st.tuples(st.integers(-4, 4).map(float), st.floats(0, 1), st.floats(0, 1)), min_size=1)


@given(questions)
def test_no_other_threshold_does_better(rows):
    leads, answered, unanswered = zip(*rows, strict=True)
    best = total(best_threshold(leads, answered, unanswered), leads, answered, unanswered)
    for other in np.arange(-6, 6, 0.5):
        assert best >= total(other, leads, answered, unanswered) - 1e-6
