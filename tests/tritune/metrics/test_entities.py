import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from tritune.metrics.entities import Mistake, entity_metrics, mistakes, type_scores
from tritune.tags import Entity

TAG = st.sampled_from(["O", "O", *(f"{place}-{kind}" for place in "BIES" for kind in ("x", "y"))])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=8), min_size=1, max_size=5)


def tags(text: str) -> list[str]:
    return text.split()


@given(PAIRS)
def test_scores_are_seqeval_s(pairs: list[list[tuple[str, str]]]) -> None:
    gold = [[true for true, _ in sentence] for sentence in pairs]
    answers = [[answer for _, answer in sentence] for sentence in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = precision_recall_fscore_support(gold, answers, average="micro")
        each = precision_recall_fscore_support(gold, answers, average=None)
    ours = entity_metrics(gold, answers)
    assert ours["entity_precision"] == pytest.approx(float(precision))
    assert ours["entity_recall"] == pytest.approx(float(recall))
    assert ours["entity_f1"] == pytest.approx(float(f1))
    assert ours["accuracy"] == pytest.approx(accuracy_score(gold, answers))
    types = type_scores(gold, answers)
    assert [one.f1 for one in types] == pytest.approx(list(each[2]))
    assert [one.entities for one in types] == list(each[3])


def test_the_whole_entity_counts() -> None:
    gold = [tags("B-x I-x O B-y"), tags("O O")]
    answers = [tags("B-x O O B-y"), tags("O B-y")]
    assert entity_metrics(gold, answers) == {
        "entity_precision": 1 / 3,
        "entity_recall": 1 / 2,
        "entity_f1": 2 / 5,
        "accuracy": 4 / 6,
    }


def test_where_there_is_nothing_to_find_the_scores_are_zero() -> None:
    assert entity_metrics([["O"]], [["O"]]) == {
        "entity_f1": 0.0,
        "entity_precision": 0.0,
        "entity_recall": 0.0,
        "accuracy": 1.0,
    }


def test_each_entity_that_is_not_right_is_a_mistake_once() -> None:
    gold = tags("B-x I-x O B-y O B-y O O")
    answers = tags("B-x I-x O B-x O O O B-y")
    assert mistakes(gold, answers) == [
        Mistake(Entity("y", 3, 4), Entity("x", 3, 4)),
        Mistake(Entity("y", 5, 6), None),
        Mistake(None, Entity("y", 7, 8)),
    ]
    assert mistakes(gold, gold) == []


def test_an_answer_across_two_entities_stands_against_both() -> None:
    assert mistakes(tags("B-x I-x B-y O"), tags("B-x I-x I-x I-x")) == [
        Mistake(Entity("x", 0, 2), Entity("x", 0, 4)),
        Mistake(Entity("y", 2, 3), Entity("x", 0, 4)),
    ]
