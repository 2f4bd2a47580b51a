import numpy as np
import pytest

from tritune.mistakes import Answers, confused_pairs, surest_mistakes

LABELS = ["a", "b", "c"]
ANSWERS = Answers(
    row_ids=["r1", "r2", "r3", "r4", "r5"],
    label=np.array([0, 0, 1, 2, 0]),
    predicted=np.array([1, 1, 0, 2, 0]),
    confidence=np.array([0.6, 0.9, 0.9, 0.99, 0.5]),
    own=np.array([0.3, 0.05, 0.1, 0.99, 0.5]),
)


def test_pairs_come_most_frequent_first_and_without_right_answers():
    assert confused_pairs(ANSWERS, labels=LABELS) == [("a", "b", 2), ("b", "a", 1)]
    assert confused_pairs(ANSWERS, labels=LABELS, at_most=1) == [("a", "b", 2)]


def test_the_surest_mistake_comes_first_and_a_tie_keeps_the_order_of_the_rows():
    found = surest_mistakes(ANSWERS, labels=LABELS)
    assert [one["id"] for one in found] == ["r2", "r3", "r1"]
    assert found[0] == {
        "id": "r2",
        "actual": "a",
        "predicted": "b",
        "probability": pytest.approx(0.9),
        "probability_of_actual": pytest.approx(0.05),
    }
