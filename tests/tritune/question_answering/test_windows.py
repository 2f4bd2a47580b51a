"""Golden windows, and laws for every kind of tokenizer and script."""

import numpy as np
import pytest

from tritune.errors import InputError
from tritune.question_answering.windows import OUTSIDE, Windower, answer_tokens, whole_answer

CONTEXTS = {
    "latin": ("The Normans (Norman: Nourmands) gave their name to Normandy, a region.", "Nourmands"),
    "tabs": ("tab\tstop,\t\ttwo  spaces\nand more", "two  spaces"),
    "emoji": ("we saw 🐈 and 🇫🇷 here", "🐈"),
    "joined emoji": ("a family 👩‍👩‍👧 there", "👩‍👩‍👧"),
    "combining": ("an e\u0301clair at the cafe\u0301 of naïve people", "cafe\u0301"),
    "chinese": ("北京是中华人民共和国的首都。", "中华人民共和国"),
    "arabic": ("باريس هي عاصمة فرنسا", "عاصمة فرنسا"),
    "hebrew": ("העיר ירושלים עיר", "ירושלים"),
}


def words_of(context: str, window) -> list[str]:
    return [context[s:e] for s, e in zip(window.starts, window.ends, strict=True) if s != OUTSIDE]


def windows_of(tokenizer, question, context, *, stride):
    return Windower(tokenizer, stride=stride).windows([question], [context])


def test_a_long_context_becomes_windows_token_by_token(tokenizer_of):
    tokenizer = tokenizer_of("plain_words", max_length=9)
    context = "one two three four five six seven eight nine ten"
    windows = windows_of(tokenizer, "what is", context, stride=2)
    # Nine places: two words of the question, two separators, five words of the context.
    assert [words_of(context, window) for window in windows] == [
        ["one", "two", "three", "four", "five"],
        ["four", "five", "six", "seven", "eight"],
        ["seven", "eight", "nine", "ten"],
    ]
    tokens = [tokenizer.tokenizer.convert_ids_to_tokens(window.input_ids) for window in windows]
    assert tokens[1] == ["what", "is", ";", "four", "five", "six", "seven", "eight", ";"]
    assert windows[1].starts.tolist() == [-1, -1, -1, 14, 19, 24, 28, 34, -1]
    assert windows[1].ends.tolist() == [-1, -1, -1, 18, 23, 27, 33, 39, -1]
    assert [window.example for window in windows] == [0, 0, 0]


def test_what_stands_around_question_and_context(tokenizer_of):
    layouts = {}
    for kind in ("word_piece", "byte_level", "sentence_piece"):
        tokenizer = tokenizer_of(kind)
        window = windows_of(tokenizer, "who", "the name", stride=4)[0]
        special = set(tokenizer.tokenizer.all_special_ids)
        marks = "".join(
            "#" if token in special else "c" if start != OUTSIDE else "q"
            for token, start in zip(window.input_ids, window.starts, strict=True)
        )
        layouts[kind] = "".join(
            mark for mark, before in zip(marks, " " + marks, strict=False) if mark == "#" or mark != before
        )
        assert window.no_answer == 0
    assert layouts == {"word_piece": "#q#c#", "byte_level": "#q##c#", "sentence_piece": "#q#c#"}


def test_token_types_tell_question_from_context(tokenizer_of):
    window = windows_of(tokenizer_of("word_piece"), "who", "the name", stride=4)[0]
    outside = window.starts == OUTSIDE
    types = np.array(window.type_ids)
    assert types[~outside].min() == 1
    assert types[0] == 0
    assert types[-1] == 1


def test_without_a_cls_token_the_first_place_says_no_answer(tokenizer_of):
    assert windows_of(tokenizer_of("plain_words"), "who is", "the name", stride=4)[0].no_answer == 0


@pytest.mark.parametrize("script", CONTEXTS)
def test_an_answer_is_found_whole_in_every_script_and_kind(kind, script, tokenizer_of):
    context, answer = CONTEXTS[script]
    start = context.index(answer)
    windows = windows_of(tokenizer_of(kind), "who", context, stride=8)
    spans = whole_answer(windows, start, start + len(answer))
    assert any(spans)
    for window, span in zip(windows, spans, strict=True):
        if span is not None:
            text = context[window.starts[span[0]] : window.ends[span[1]]]
            # A tokenizer may have no border where the answer has one; it never gives less than the answer.
            assert answer in text
            if kind in ("byte_level", "word_piece") and script not in ("chinese",):
                assert text == answer


def test_offsets_go_back_to_the_characters(kind, tokenizer_of):
    for context, _ in CONTEXTS.values():
        for window in windows_of(tokenizer_of(kind), "who", context, stride=8):
            inside = window.starts != OUTSIDE
            assert inside.any()
            assert ((window.ends == OUTSIDE) == ~inside).all()
            assert (window.starts[inside] <= window.ends[inside]).all()
            assert (window.ends[inside] <= len(context)).all()
            assert (np.diff(window.starts[inside]) >= 0).all()
            for words in words_of(context, window):
                assert words == words.strip()


def test_every_stretch_up_to_the_stride_is_whole_in_some_window(kind, tokenizer_of):
    context = " ".join(["one two three four five six seven eight nine ten"] * 8)
    windows = windows_of(tokenizer_of(kind, max_length=40), "who is", context, stride=12)
    assert len(windows) > 2
    border = {(int(s), int(e)) for window in windows for s, e in zip(window.starts, window.ends, strict=True)}
    words = sorted(span for span in border if span[0] != OUTSIDE)
    for first in range(len(words) - 5):
        assert any(whole_answer(windows, words[first][0], words[first + 5][1]))


def test_an_emoji_of_several_tokens_is_found_from_its_first_to_its_last(tokenizer_of):
    context = "we saw 🦩 here"
    window = windows_of(tokenizer_of("byte_level"), "who", context, stride=4)[0]
    first, last = answer_tokens(window, 7, 8)
    assert last > first
    assert {
        (int(s), int(e))
        for s, e in zip(window.starts[first : last + 1], window.ends[first : last + 1], strict=True)
    } == {(7, 8)}


def test_an_answer_that_a_window_cuts_is_not_whole_there(tokenizer_of):
    tokenizer = tokenizer_of("plain_words", max_length=9)
    context = "one two three four five six seven eight nine ten"
    windows = windows_of(tokenizer, "what is", context, stride=2)
    start, end = context.index("five"), context.index("six") + 3
    assert whole_answer(windows, start, end) == [None, (4, 5), None]
    # Four tokens with two shared: no window holds these.
    assert whole_answer(windows, context.index("three"), context.index("six") + 3) == [None, None, None]


def test_what_the_tokenizer_drops_has_no_place(tokenizer_of):
    windows = windows_of(tokenizer_of("word_piece"), "who", "the \u200b name", stride=4)
    assert whole_answer(windows, 4, 5) == [None]


def test_a_context_of_nothing_is_one_window(kind, tokenizer_of):
    windows = windows_of(tokenizer_of(kind), "who", "", stride=4)
    assert [(window.starts != OUTSIDE).any() for window in windows] == [False]


def test_a_question_that_leaves_no_room_loses_its_end_and_is_counted(kind, tokenizer_of):
    counts: dict[str, int] = {}
    question = "who is it " * 40
    windower = Windower(tokenizer_of(kind, max_length=32), stride=5)
    windows = windower.windows(
        [question, "who"], ["one two three four five six seven " * 5] * 2, counts=counts
    )
    assert counts == {"questions_cut": 1}
    first = [window for window in windows if window.example == 0]
    assert len({tuple(window.input_ids[: int(np.argmax(window.starts >= 0))]) for window in first}) == 1
    for window in windows:
        assert len(window.input_ids) <= 32
    assert (first[0].starts >= 0).sum() >= 13


def test_no_questions_are_no_windows(tokenizer_of):
    assert Windower(tokenizer_of("word_piece"), stride=4).windows([], []) == []


def test_a_stride_that_leaves_no_room_is_refused(tokenizer_of):
    with pytest.raises(InputError) as caught:
        Windower(tokenizer_of("word_piece", max_length=16), stride=12)
    assert str(caught.value) == (
        "tokenize.stride: 12 leaves no room for a question: rows have 16 tokens, 3 of them special; set it "
        "to 11 or less, or raise tokenize.max_length"
    )
