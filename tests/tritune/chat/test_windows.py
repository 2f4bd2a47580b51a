"""Long dialogues: every token of the assistant's once, rows that fit, nothing lost uncounted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tritune.chat.templates import CHATML, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.chat.template import Chat
from tritune.chat.windows import dialogue_rows, fitting_prompt
from tritune.errors import InputError

TOKENIZER = byte_level(special=SPECIAL[CHATML])
TOKENIZER.chat_template = CHATML
CHAT = Chat(TOKENIZER, reads_first=False)


def rows_of(messages, limit):
    counts = {}
    return dialogue_rows(CHAT, messages, limit=limit, counts=counts, name="x"), counts


def learnt(rows):
    return [token for row in rows for start, end in row.spans for token in row.ids[start:end]]


def wanted(messages):
    whole = CHAT.whole(messages, "x")
    return [token for start, end in whole.spans for token in whole.ids[start:end]]


def test_a_dialogue_that_fits_is_one_row():
    messages = turns("Hi", "Yo", "a", "b", system="Be.")
    whole = CHAT.whole(messages, "x")
    rows, counts = rows_of(messages, len(whole.ids))
    assert [(row.ids, row.spans, row.turns) for row in rows] == [(whole.ids, whole.spans, [2, 4])]
    assert counts == {}


def test_later_rows_keep_the_system_s_turn_and_begin_with_a_turn_of_the_user():
    messages = turns(*[f"q{i} or so" if i % 2 == 0 else f"a{i} then" for i in range(20)], system="Be.")
    rows, counts = rows_of(messages, 120)
    assert len(rows) > 2
    assert learnt(rows) == wanted(messages)
    assert [turn for row in rows for turn in row.turns] == list(range(2, 21, 2))
    beginning = "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\n"
    for row in rows:
        assert len(row.ids) <= 120
        assert TOKENIZER.decode(row.ids).startswith(beginning)
    later = sum(len(row.turns) for row in rows[1:])
    assert counts == {"turns_without_their_whole_history": later}
    # At most half of a later row is history, and there is some.
    assert all(row.spans[0][0] <= 60 for row in rows[1:])
    assert all("a" in TOKENIZER.decode(row.ids[: row.spans[0][0]]).split("user\n", 2)[-1] for row in rows[1:])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("ab é🙂\n", min_size=1, max_size=60), min_size=1, max_size=8),
    st.booleans(),
    st.integers(110, 200),
)
def test_every_token_of_the_assistant_s_is_learnt_once(contents, system, limit):
    contents = [f"q{content}e" for content in contents + contents[: len(contents) % 2]]
    messages = turns(*contents, system="Be." if system else None)
    rows, _ = rows_of(messages, limit)
    assert learnt(rows) == wanted(messages)
    assert all(len(row.ids) <= limit for row in rows)


def test_a_question_that_is_too_long_loses_its_beginning_and_no_more():
    messages = turns("first " + "x" * 300 + " last", "Yo", system="Be.")
    rows, counts = rows_of(messages, 100)
    [row] = rows
    assert learnt(rows) == wanted(messages)
    assert len(row.ids) == 100
    assert TOKENIZER.decode(row.ids).endswith("x last<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>")
    assert TOKENIZER.decode(row.ids).startswith("<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nx")
    assert counts == {"questions_without_their_beginning": 1}


def test_a_reply_that_is_too_long_is_learnt_in_parts():
    messages = turns("Hi", "abc" * 100, "q", "b", system="Be.")
    rows, counts = rows_of(messages, 80)
    assert learnt(rows) == wanted(messages)
    assert all(len(row.ids) <= 80 for row in rows)
    assert counts["replies_in_parts"] == 1
    assert rows[1].spans[0][0] == 40
    assert rows[0].turns == rows[1].turns == [2]


def test_a_system_s_turn_without_room_for_others_is_refused():
    with pytest.raises(InputError) as caught:
        rows_of(turns("Hi there", "Yo", system="s" * 200), 100)
    assert str(caught.value) == (
        "x: what stands before a reply takes more than 99 tokens even without its beginning; raise "
        "tokenize.max_length, or shorten the turn of the system"
    )


def test_a_prompt_that_is_too_long_loses_its_oldest_turns():
    messages = turns("old question", "old answer", "new question", system="Be.")
    full = CHAT.prompt(messages, "x")
    counts = {}
    assert fitting_prompt(CHAT, messages, limit=len(full), counts=counts, name="x") == full
    assert counts == {}
    short = fitting_prompt(CHAT, messages, limit=len(full) - 1, counts=counts, name="x")
    assert TOKENIZER.decode(short) == TOKENIZER.decode(CHAT.prompt([messages[0], messages[-1]], "x"))
    assert counts == {"turns_without_their_whole_history": 1}
    tiny = fitting_prompt(CHAT, messages, limit=len(short) - 1, counts=counts, name="x")
    assert len(tiny) <= len(short) - 1
    assert "question<|im_end|>" in TOKENIZER.decode(tiny)
    assert counts["questions_without_their_beginning"] == 1
