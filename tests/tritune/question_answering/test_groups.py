import pytest

from tritune.metrics.answers import AnswerScore
from tritune.question_answering.groups import answer_length, group_rows, question_word


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who wrote it?", "who"),
        ("In which year?", "which"),
        ("And then, WHERE?", "where"),
        ("What's it?", "what"),
        ("Name the river.", "other"),
        ("somewhat whole", "other"),
    ],
)
def test_the_question_word(question, word):
    assert question_word(question) == word


@pytest.mark.parametrize(
    ("golds", "name"),
    [
        (["a b c d", "a"], "1 word"),
        (["a b c"], "2 to 3 words"),
        (["a b c d"], "4 to 6 words"),
        (["a b c d e f g"], "7 words or more"),
        ([], "has none"),
    ],
)
def test_the_shortest_answer_says_how_long_it_is(golds, name):
    assert answer_length(golds) == name


def test_means_by_hand():
    scored = [AnswerScore(1, 1), AnswerScore(0, 0.5), AnswerScore(0, 0)]
    rows = group_rows(["Who?", "who now?", "Name it"], [["Ada"], ["x y"], []], scored)
    assert rows == [
        ("answer", "has an answer", 2, 0.5, 0.75),
        ("answer", "has none", 1, 0, 0),
        ("question word", "who", 2, 0.5, 0.75),
        ("question word", "other", 1, 0, 0),
        ("answer length", "1 word", 1, 1, 1),
        ("answer length", "2 to 3 words", 1, 0, 0.5),
        ("answer length", "has none", 1, 0, 0),
    ]
