"""Prompts token by token: a decoder with and without a chat template, an encoder-decoder."""

from itertools import pairwise

import pytest

from tritune.errors import InputError
from tritune.question_answering.prompts import HERE, INSTRUCTION, NO_ANSWER, Prompter, windows_of

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture
def letters():
    """A tokenizer with one token a character, made anew for each test."""

    def make(*, max_length: int = 200, template: str | None = None, closes: bool = False):
        import string

        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
        from transformers import PreTrainedTokenizerFast

        from tritune.tokenizing import TextTokenizer

        special = ["<pad>", "</s>", "<s>", "?unknown", "<end>", "<|user|>", "<|assistant|>"]
        characters = list(string.printable.replace("\x0b", "").replace("\x0c", "")) + list("“”")
        backend = Tokenizer(
            models.WordLevel({token: i for i, token in enumerate(special + characters)}, unk_token="?unknown")
        )
        backend.normalizer = normalizers.Sequence([])
        backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        backend.add_special_tokens(special[4:])
        before, after = ("", " </s>") if closes else ("<s> ", "")
        backend.post_processor = processors.TemplateProcessing(
            single=f"{before}$A{after}", special_tokens=[("</s>", 1), ("<s>", 2)]
        )
        fast = PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="?unknown"
        )
        fast.chat_template = template
        return TextTokenizer(tokenizer=fast, pad_token_id=0, pad_is_eos=False, max_length=max_length)

    return make


def text_of(tokenizer, ids) -> str:
    return "".join(tokenizer.tokenizer.convert_ids_to_tokens(ids))


def test_a_decoder_without_a_template_reads_context_and_question_and_writes_on(letters):
    tokenizer = letters()
    prompter = Prompter(tokenizer, writes_on=True, stride=10)
    (prompt,) = prompter.prompts(["Who?"], ["It was Ada."])
    assert text_of(tokenizer, prompt.ids) == "<s>Context: It was Ada.\nQuestion: Who?\nAnswer:"
    assert (prompt.start, prompt.end) == (0, 11)
    assert text_of(tokenizer, prompter.target("Ada")) == " Ada</s>"
    assert prompter.stop_ids == [1]


def test_with_a_chat_template_the_user_asks_and_the_end_of_the_turn_ends_the_answer(letters):
    tokenizer = letters(max_length=400, template=TEMPLATE)
    prompter = Prompter(tokenizer, writes_on=True, stride=10)
    (prompt,) = prompter.prompts(["Who?"], ["It was Ada."])
    asked = f"{INSTRUCTION}\n\nText: It was Ada.\n\nQuestion: Who?"
    assert text_of(tokenizer, prompt.ids) == f"<|user|>{asked}<end><|assistant|>"
    assert text_of(tokenizer, prompter.target("Ada")) == "Ada<end>"
    assert prompter.stop_ids == [4]
    assert HERE not in text_of(tokenizer, prompt.ids)


def test_an_encoder_decoder_reads_question_and_context(letters):
    tokenizer = letters(closes=True)
    prompter = Prompter(tokenizer, writes_on=False, stride=10)
    (prompt,) = prompter.prompts(["Who?"], ["It was Ada."])
    assert text_of(tokenizer, prompt.ids) == "question: Who? context: It was Ada.</s>"
    assert text_of(tokenizer, prompter.target("Ada")) == "Ada</s>"


@pytest.mark.parametrize("writes_on", [True, False])
def test_a_long_context_becomes_windows_that_leave_room_for_the_answer(letters, writes_on):
    tokenizer = letters(max_length=80, closes=not writes_on)
    prompter = Prompter(tokenizer, writes_on=writes_on, stride=5)
    prompts = prompter.prompts(["a?"], [CONTEXT])
    assert len(prompts) > 1
    assert prompts[0].start == 0
    assert prompts[-1].end == len(CONTEXT)
    for left, right in pairwise(prompts):
        assert left.end - right.start == 5
    for prompt in prompts:
        assert CONTEXT[prompt.start : prompt.end] in text_of(tokenizer, prompt.ids)
        assert len(prompt.ids) + (prompter.answer_tokens if writes_on else 0) <= 80


def test_an_answer_that_takes_more_places_than_there_are_has_no_target(letters):
    prompter = Prompter(letters(max_length=80), writes_on=True, stride=5)
    assert prompter.answer_tokens == 20
    assert prompter.target("x" * 18) is not None
    assert prompter.target("x" * 19) is None
    assert prompter.target(NO_ANSWER) is not None


def test_a_question_that_leaves_no_room_loses_its_end_and_is_counted(letters):
    tokenizer, counts = letters(max_length=100), {}
    prompter = Prompter(tokenizer, writes_on=True, stride=5)
    prompts = prompter.prompts(["y" * 90, "y?"], [CONTEXT, CONTEXT], counts=counts)
    assert counts == {"questions_cut": 1}
    assert all(len(prompt.ids) + prompter.answer_tokens <= 100 for prompt in prompts)


def test_an_empty_context_is_one_window(letters):
    (prompt,) = Prompter(letters(), writes_on=True, stride=5).prompts(["Who?"], [""])
    assert (prompt.start, prompt.end) == (0, 0)


def test_windows_by_hand():
    assert list(windows_of(10, room=4, stride=1)) == [(0, 4), (3, 7), (6, 10)]
    assert list(windows_of(4, room=4, stride=1)) == [(0, 4)]
    assert list(windows_of(0, room=4, stride=1)) == [(0, 0)]


def test_a_stride_that_leaves_no_room_is_refused(letters):
    with pytest.raises(InputError) as caught:
        Prompter(letters(max_length=60), writes_on=True, stride=30)
    assert str(caught.value) == (
        "tokenize.stride: 30 leaves no room for a question beside the prompt and the answer: rows have 60 "
        "tokens; lower it, or raise tokenize.max_length"
    )


def test_a_tokenizer_that_ends_nothing_is_refused(letters):
    tokenizer = letters()
    tokenizer.tokenizer.eos_token = None
    with pytest.raises(InputError) as caught:
        Prompter(tokenizer, writes_on=True, stride=5)
    assert str(caught.value) == (
        "the tokenizer in base has no end-of-sequence token, so that no answer would ever end; name one as "
        "eos_token in tokenizer_config.json"
    )


@pytest.fixture
def encoded(letters):
    """Return a function: (writes_on, answers) -> rows of the token table as text, and the counts."""
    from tritune.settings.model import TokenizeSettings
    from tritune.task.question_answering.encode import encoder
    from tritune.tokens import IGNORED

    def make(objective: str, *answers: str):
        tokenizer = letters(max_length=80, closes=objective != "causal_lm")
        made = encoder(tokenizer, TokenizeSettings(stride=5), labels=[], objective=objective, given=())
        counts: dict[str, int] = {}
        starts = [CONTEXT.find(answer) for answer in answers]
        rows = {"id": ["a"], "question": ["a?"], "context": [CONTEXT], "answers": [list(answers)]}
        rows |= {
            "starts": [starts],
            "ends": [[s + len(a) if s >= 0 else -1 for s, a in zip(starts, answers, strict=True)]],
        }
        batch = made.encode(rows, counts)
        assert batch.schema == made.schema
        told = []
        for ids, labels in zip(
            batch.column("input_ids").to_pylist(), batch.column("labels").to_pylist(), strict=True
        ):
            written = [label for label in labels if label != IGNORED]
            if objective == "causal_lm":
                assert len(labels) == len(ids)
                assert ids[-len(written) :] == written
                assert labels[: -len(written)] == [IGNORED] * (len(ids) - len(written))
            told.append((text_of(tokenizer, ids), text_of(tokenizer, written)))
        return told, counts

    return make


def test_a_decoder_learns_the_answer_where_the_window_holds_it_and_that_there_is_none_elsewhere(encoded):
    rows, counts = encoded("causal_lm", "twelve")
    written = [answer for _, answer in rows]
    assert written[-1] == " twelve</s>"
    assert set(written[:-1]) == {" no answer</s>"}
    assert "twelve" in rows[-1][0]
    assert counts == {"questions_cut": 0, "answers": 1, "unreachable": 0, "unreachable_questions": 0}


def test_an_encoder_decoder_has_its_answer_apart(encoded):
    rows, _ = encoded("sequence_to_sequence", "one", "two")
    assert rows[0][1] == "one</s>"
    assert all(prompt.startswith("question: a? context: ") and prompt.endswith("</s>") for prompt, _ in rows)


def test_answers_out_of_reach_are_counted(encoded):
    _, counts = encoded("causal_lm", "thirteen", "one two three four five six seven")
    assert counts == {"questions_cut": 0, "answers": 2, "unreachable": 2, "unreachable_questions": 1}
