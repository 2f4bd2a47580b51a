import json

import pytest

from tritune.chat.messages import FORM, read_turns
from tritune.errors import InputError

GOOD = [
    {"role": "system", "content": "Be."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yo"},
]


def test_good_turns_stay_as_they_are():
    assert read_turns(GOOD, "x") == (GOOD, 0, 0, 0)


def test_json_text_and_sharegpt_s_names_are_read_too():
    shared = [
        {"from": "system", "value": "Be."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Yo"},
    ]
    assert read_turns(json.dumps(GOOD), "x") == read_turns(shared, "x") == (GOOD, 0, 0, 0)


def test_turns_of_one_role_become_one_and_white_space_at_the_ends_goes():
    given = [
        {"role": "user", "content": " a "},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": ""},
    ]
    joined = [{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": ""}]
    assert read_turns(given, "x") == (joined, 1, 1, 1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, f"row 3: the messages are missing; they must be a list such as {FORM}"),
        (7, f"row 3: the messages are 7, of type int; they must be a list such as {FORM}"),
        (
            "Hello",
            f"row 3: the messages are the text 'Hello', which is not JSON; they must be a list such "
            f"as {FORM}",
        ),
        ([], "row 3: the dialogue has no turn; fill it in or delete it"),
        (["Hi"], f"row 3, turn 1: 'Hi' has no `role` and `content`; write the turns as {FORM}"),
        (
            [{"role": "user"}],
            f"row 3, turn 1: {{'role': 'user'}} has no `role` and `content`; write the turns as {FORM}",
        ),
        (
            [{"role": "tool", "content": "4"}],
            "row 3, turn 1: the role is 'tool'; it must be one of system, user, assistant: rename it, "
            "or delete the turn",
        ),
        ([{"role": "user", "content": None}], "row 3, turn 1: the content is missing; only text is read"),
        ([{"role": "user", "content": 4}], "row 3, turn 1: the content is 4, of type int; only text is read"),
        (
            [GOOD[1], GOOD[0]],
            "row 3, turn 2: a turn of the system after other turns; chat templates take one at the start "
            "only: move it there, or delete it",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(given, sentence):
    with pytest.raises(InputError) as caught:
        read_turns(given, "row 3")
    assert str(caught.value) == sentence
