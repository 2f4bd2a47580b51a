import io

import pytest

from flows.chat import chat, converse
from tritune.errors import InputError


def echo(turns):
    yield from (" ", f"{len(turns)}:", turns[-1]["content"])


def talk(source, *, reply=echo, system=None, typed=False):
    target = io.StringIO()
    converse(reply, io.StringIO(source), target, system=system, typed=typed)
    return target.getvalue()


def test_each_line_is_answered_with_all_turns_before_it():
    assert talk("a\n\n  b\n") == "1:a\n3:b\n"
    assert talk("a\n", system="Be.") == "2:a\n"


def test_new_begins_anew_with_the_system_s_turn():
    assert talk("a\n/new\nb", system="Be.") == "2:a\n2:b\n"


def test_a_person_sees_a_prompt_and_the_end():
    assert talk("a\n", typed=True) == "> 1:a\n> \n"


def test_pieces_are_shown_as_they_come():
    seen = []

    def reply(_):
        for piece in ("one ", "two"):
            yield piece
            seen.append(target.getvalue())

    target = io.StringIO()
    converse(reply, io.StringIO("a\n"), target, system=None, typed=False)
    assert seen == ["one ", "one two"]


def test_a_turn_that_cannot_be_answered_is_taken_back_where_a_person_sits():
    def refuse(turns):
        if turns[-1]["content"] == "bad":
            raise InputError("no")
        return echo(turns)

    assert talk("a\nbad\nb\n", reply=refuse, typed=True) == "> 1:a\n> no\n> 3:b\n> \n"
    with pytest.raises(InputError, match="no"):
        talk("bad\n", reply=refuse)


def test_ctrl_c_stops_a_reply_and_what_was_said_stays():
    def interrupted(turns):
        yield f"{len(turns)}"
        if turns[-1]["content"] == "a":
            raise KeyboardInterrupt
        yield f" after {turns[1]['content']!r}"

    assert talk("a\nb\n", reply=interrupted, typed=True) == "> 1\n> 3 after '1'\n> \n"
    with pytest.raises(KeyboardInterrupt):
        talk("a\n", reply=interrupted)


def test_a_model_for_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"tritune": {"task": "question_answering"}}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError) as caught:
        chat(model=tmp_path, system=None)
    assert str(caught.value) == (
        f"{tmp_path}: this model is for question_answering; ask it with `tritune predict --model {tmp_path}`"
    )
