"""How far two evaluations agree, counted by hand."""

import math

import pyarrow as pa
import pytest

from tritune.agreement import ScorePair, agreement, score_pairs


def table(answers: list, *, column: str = "predicted", ids: str = "abcdef") -> pa.Table:
    splits = ["validation", "validation", "test", "test", "test", "test"]
    return pa.table({"split": splits, "id": list(ids), column: answers})


def test_the_share_of_equal_answers_is_counted_for_each_split():
    found = agreement(table([1, 2, 3, 4, 5, 6]), table([1, 0, 3, 4, 5, 0]))
    assert found == {"validation": 0.5, "test": 0.75}


def test_a_list_of_tags_agrees_as_a_whole():
    tags = [["O"], ["O", "B-x"], ["O"], ["O"], ["O"], ["B-x"]]
    assert agreement(table(tags), table([["O"], ["O", "O"], *tags[2:]])) == {"validation": 0.5, "test": 1.0}


def test_turns_without_a_reply_do_not_count():
    one = table(["yes", None, None, None, None, None], column="generated")
    other = table(["no", None, None, None, None, None], column="generated")
    assert agreement(one, one) == {"validation": 1.0}
    assert agreement(one, other) == {"validation": 0.0}


def test_other_rows_agree_nowhere():
    answers = [1, 2, 3, 4, 5, 6]
    assert agreement(table(answers), table(answers, ids="abcdxe")) == {"validation": 0.0, "test": 0.0}
    assert agreement(table(answers), table(answers).slice(0, 5)) == {"validation": 0.0, "test": 0.0}


@pytest.mark.parametrize(
    ("first", "second", "within"),
    [
        (0.9, 0.891, True),
        (0.9, 0.889, False),
        (50.0, 50.4, True),
        (50.0, 50.6, False),
        (0.9, math.nan, False),
    ],
)
def test_a_score_may_differ_by_the_tolerance_and_above_1_by_that_share_of_itself(first, second, within):
    assert ScorePair("test", "accuracy", first, second).within(0.01) == within


def test_a_score_that_is_missing_is_not_a_number():
    (pair,) = score_pairs({"test": {"accuracy": 0.5}}, {"test": {}})
    assert (pair.split, pair.metric, pair.first) == ("test", "accuracy", 0.5)
    assert math.isnan(pair.second)
