import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.question_answering.placing import NOWHERE, place_of

CONTEXT = "The cat sat. A cat ran, the  cat\tslept 🐈 here."


@pytest.mark.parametrize(
    ("answer", "start", "expected"),
    [
        ("cat", 4, (4, 7, "as_given")),
        ("cat", 15, (15, 18, "as_given")),
        (" cat ", 3, (4, 7, "as_given")),  # white space around it is not part of the answer
        ("cat", 14, (15, 18, "moved")),  # the nearest one, not the first
        ("cat", 5, (4, 7, "moved")),
        ("cat", None, (4, 7, "moved")),
        ("cat", -1, (4, 7, "moved")),
        ("cat", 10_000, (29, 32, "moved")),
        ("the cat slept", 20, (24, 38, "moved")),  # two spaces and a tab in the context
        ("🐈 here", 40, (39, 45, "moved")),
        ("dog", 0, NOWHERE),
        ("The cat ran", 0, NOWHERE),
        ("the cat.", None, NOWHERE),  # a full stop is not a pattern
    ],
)
def test_where_an_answer_stands(answer, start, expected):
    assert place_of(answer, CONTEXT, start) == expected


@given(st.text(), st.text(min_size=1).filter(str.strip), st.text(), st.integers(-5, 200))
def test_what_is_in_the_context_is_found_and_is_what_was_asked_for(before, answer, after, drift):
    context = before + answer + after
    place = place_of(answer, context, len(before) + drift)
    assert place.how != "not_found"
    assert context[place.start : place.end].split() == answer.split()
    assert place_of(answer, context, len(before)).how == "as_given"
