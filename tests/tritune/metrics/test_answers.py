"""Against cases worked out by hand from the official scripts' text."""

import pytest

from tritune.metrics.answers import AnswerScore, answer_score, normalised_answer, rules_for


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Normans", "normans"),
        ("  a   Quick\tfox\n", "quick fox"),
        ("U.S.", "us"),
        ("the-end", "theend"),  # punctuation goes first, so that no article is left to see
        ("an apple, the pear; A plum", "apple pear plum"),
        ("“quoted”", "“quoted”"),  # only ASCII punctuation is cut off
        ("ÀÉÎ", "àéî"),
        ("theatre", "theatre"),
        ("$1,000.50", "100050"),
        ("北京 的", "北京 的"),
        ("The", ""),
        ("?!", ""),
        ("", ""),
    ],
)
def test_what_is_left_of_an_answer(text, normal):
    assert normalised_answer(text) == normal


@pytest.mark.parametrize("rules", ["v1.1", "v2"])
@pytest.mark.parametrize(
    ("predicted", "golds", "exact", "f1"),
    [
        ("the Denver Broncos", ["Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos", "The Denver Broncos"], 0, 2 / 3),  # precision 1, recall 1/2
        ("in the year 1066", ["1066", "the year 1066"], 0, 4 / 5),  # against the second: 2/3 and 1
        ("1066", ["1067"], 0, 0),
        ("la la land", ["la land la land"], 0, 6 / 7),  # 3 words shared, of 3 and of 4
        ("la la la", ["la"], 0, 1 / 2),
        ("Santa Clara, California.", ["santa clara california"], 1, 1),
        ("", ["something"], 0, 0),
    ],
)
def test_scores_by_hand(predicted, golds, exact, f1, rules):
    score = answer_score(predicted, golds, rules=rules)
    assert score.exact_match == exact
    assert score.f1 == pytest.approx(f1)


@pytest.mark.parametrize(("predicted", "both"), [("", 1.0), ("the", 1.0), ("Paris", 0.0)])
def test_by_v2_only_an_empty_answer_is_right_where_there_is_none(predicted, both):
    assert answer_score(predicted, [], rules="v2") == AnswerScore(both, both)


def test_by_v1_a_question_without_gold_scores_nothing():
    assert answer_score("", [], rules="v1.1") == AnswerScore(0.0, 0.0)


def test_where_the_two_scripts_differ_on_an_answer_of_which_nothing_is_left():
    assert answer_score("The", ["the"], rules="v1.1") == AnswerScore(1.0, 0.0)
    assert answer_score("The", ["the"], rules="v2") == AnswerScore(1.0, 1.0)
    # v2 leaves out a gold answer of which nothing is left, as long as there is another.
    assert answer_score("", ["?", "Paris"], rules="v2") == AnswerScore(0.0, 0.0)
    assert answer_score("", ["?", "Paris"], rules="v1.1") == AnswerScore(1.0, 0.0)


def test_one_question_without_an_answer_makes_it_v2():
    assert rules_for([["a"], ["b", "c"]]) == "v1.1"
    assert rules_for([["a"], []]) == "v2"
