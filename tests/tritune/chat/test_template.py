"""Golden masks, token by token, and the laws that hold for every template."""

import pytest

from tests.tritune.chat.templates import CHATML, LLAMA3, MISTRAL, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.chat.template import PLAIN, Chat, assistant_turns
from tritune.errors import InputError

NAMES = {"ChatML": CHATML, "Llama 3": LLAMA3, "Mistral": MISTRAL, "none": None}
each = pytest.mark.parametrize("template", NAMES.values(), ids=NAMES)

HARD = turns(
    "Hi 👋🏽\tthere",
    "héllo 👩‍👩‍👧 e\u0301!",
    "你好，\n\nsecond line",
    "שלום עולם  two  spaces",
    "1,000 \u200b x",
    "日本語。",
)


def tokenizer_for(template):
    special = SPECIAL.get(template, ("<pad>", "<eos>"))
    more = {"bos_token": "<bos>"} if "<bos>" in special else {}
    tokenizer = byte_level(special=special, **more)
    tokenizer.chat_template = template
    return tokenizer


def chat_for(template):
    tokenizer = tokenizer_for(template)
    return tokenizer, Chat(tokenizer, reads_first=False)


def marked(tokenizer, whole):
    """Write the tokens one by one, each of the assistant's in braces."""
    learnt = {i for start, end in whole.spans for i in range(start, end)}
    words = [tokenizer.decode([token]) for token in whole.ids]
    return [f"{{{word}}}" if i in learnt else word for i, word in enumerate(words)]


def test_golden_mask_of_three_turns_in_chatml():
    tokenizer, chat = chat_for(CHATML)
    whole = chat.whole(turns("Hi!", "Yo", "a", "你"), "x")
    start, end = "<|im_start|>", "<|im_end|>"
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    text = "".join(marked(tokenizer, whole))
    assert text.startswith(f"{start}system\n{system}{end}\n{start}user\nHi!{end}\n{start}assistant\n")
    # A Chinese character is three tokens of one byte each here, which alone are no character.
    expected = ["\n", "{Y}", "{o}", f"{{{end}}}", "\n", start, "u", "se", "r", "\n", "a", end, "\n", start]
    golden = marked(tokenizer, whole)
    at = golden.index("{Y}") - 1
    assert golden[at : at + len(expected)] == expected
    assert golden[-5:] == ["\n", "{�}", "{�}", "{�}", f"{{{end}}}"]


def test_golden_mask_of_three_turns_in_llama_3_s_form():
    tokenizer, chat = chat_for(LLAMA3)
    whole = chat.whole(turns("Hi!", " Yo ", "a", "🙂", system="Be."), "x")
    head, close, end = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
    assistant = ["a", "s", "s", "i", "s", "t", "a", "n", "t"]
    golden = marked(tokenizer, whole)
    letters = "".join(golden)
    assert letters == (
        f"<bos>{head}system{close}\n\nBe.{end}{head}user{close}\n\nHi!{end}{head}assistant{close}\n\n"
        f"{{Y}}{{o}}{{{end}}}{head}user{close}\n\na{end}{head}assistant{close}\n\n"
        f"{{�}}{{�}}{{�}}{{�}}{{{end}}}"
    )
    assert tokenizer.decode(whole.ids[whole.spans[1][0] : whole.spans[1][1]]) == f"🙂{end}"
    assert "".join(assistant) in letters


def test_golden_mask_of_three_turns_in_mistral_s_form():
    tokenizer, chat = chat_for(MISTRAL)
    golden = marked(tokenizer, chat.whole(turns("Hi!", "Yo", "a", "b"), "x"))
    assert golden == [
        *("<bos>", "[INST]", " ", "H", "i", "!", " ", "[/INST]", "{ }", "{Y}", "{o}", "{</s>}"),
        *("[INST]", " a", " ", "[/INST]", "{ }", "{b}", "{</s>}"),
    ]


@each
@pytest.mark.parametrize("length", [2, 4, 6])
def test_the_assistant_s_tokens_are_its_words_and_the_end_of_its_turn_and_no_other(template, length):
    tokenizer, chat = chat_for(template)
    messages = HARD[:length]
    whole = chat.whole(messages, "x")
    assert len(whole.spans) == length // 2
    for (start, end), turn in zip(whole.spans, assistant_turns(messages), strict=True):
        own = tokenizer.decode(whole.ids[start:end], clean_up_tokenization_spaces=False)
        assert own.lstrip(" ") == messages[turn]["content"] + tokenizer.eos_token
        assert whole.ids[end - 1] in chat.stop_ids
    learnt = {i for start, end in whole.spans for i in range(start, end)}
    others = tokenizer.decode([t for i, t in enumerate(whole.ids) if i not in learnt])
    assert not any(turn["content"] in others for turn in messages if turn["role"] == "assistant")
    assert all(turn["content"] in others for turn in messages if turn["role"] == "user")


@each
def test_what_stands_before_a_turn_is_what_the_model_is_asked_with(template):
    _, chat = chat_for(template)
    whole = chat.whole(HARD, "x")
    for (start, _), turn in zip(whole.spans, assistant_turns(HARD), strict=True):
        assert whole.ids[:start] == chat.prompt(HARD[:turn], "x")


@each
def test_the_tokens_are_the_template_s_own_rendering(template):
    tokenizer, chat = chat_for(template)
    rendered = tokenizer.apply_chat_template(HARD, chat_template=template or PLAIN, tokenize=True)
    ids = rendered["input_ids"] if not isinstance(rendered, list) else rendered
    whole = chat.whole(HARD, "x")
    assert list(ids)[: len(whole.ids)] == whole.ids
    assert tokenizer.decode(list(ids)[len(whole.ids) :]).strip() == ""


def test_many_dialogues_at_once_are_as_each_alone():
    _, chat = chat_for(CHATML)
    dialogues = [HARD[:2], turns("a", "b", system="Be brief."), HARD]
    assert chat.wholes(dialogues, "xyz") == [chat.whole(one, "x") for one in dialogues]


@pytest.mark.parametrize("template", [CHATML, LLAMA3, None])
def test_the_assistant_may_begin(template):
    tokenizer, chat = chat_for(template)
    messages = [{"role": "assistant", "content": "Welcome!"}, *turns("Hi", "Yo")]
    whole = chat.whole(messages, "x")
    assert [tokenizer.decode(whole.ids[a:b]) for a, b in whole.spans] == [
        f"Welcome!{tokenizer.eos_token}",
        f"Yo{tokenizer.eos_token}",
    ]


def test_the_plain_template_is_what_it_says():
    tokenizer, chat = chat_for(None)
    whole = chat.whole(turns("Hi", "Yo", "a", "b", system="Be."), "x")
    assert chat.is_plain
    assert tokenizer.decode(whole.ids) == (
        "system:\nBe.\nuser:\nHi\nassistant:\nYo<eos>\nuser:\na\nassistant:\nb<eos>"
    )
    assert tokenizer.decode(chat.prompt(turns("Hi"), "x")) == "user:\nHi\nassistant:\n"


def test_marks_of_generation_give_the_same_mask():
    """transformers' own mask, for a template that has the marks it needs."""
    template = CHATML.replace(
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}",
        "{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}"
        "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endif %}",
    )
    tokenizer = byte_level(special=SPECIAL[CHATML])
    tokenizer.chat_template = template
    theirs = tokenizer.apply_chat_template(
        HARD, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    whole = Chat(tokenizer, reads_first=False).whole(HARD, "x")
    ours = [int(any(a <= i < b for a, b in whole.spans)) for i in range(len(theirs["input_ids"]))]
    assert ours == list(theirs["assistant_masks"])


def test_the_date_of_today_is_in_no_token():
    tokenizer = tokenizer_for(CHATML)
    tokenizer.chat_template = "{{ strftime_now('%d %B %Y') }}\n" + CHATML
    ids = Chat(tokenizer, reads_first=False).prompt(turns("Hi"), "x")
    assert tokenizer.decode(ids).startswith("26 July 2024\n")


def refused(template, messages=HARD, *, special=SPECIAL[CHATML]):
    tokenizer = byte_level(special=special)
    tokenizer.chat_template = template
    with pytest.raises(InputError) as caught:
        Chat(tokenizer, reads_first=False).whole(messages, "train.jsonl:7")
    return str(caught.value)


TAKE = (
    "take a model whose template writes turn by turn, or delete its template (chat_template.jinja, or the "
    "entry chat_template of tokenizer_config.json), and a plain one is used"
)


def test_a_template_that_rewrites_the_past_is_refused():
    counting = "{{ messages | length }}\n" + CHATML
    assert refused(counting) == (
        "the template's trial: the model's chat template writes what stands before turn 2 otherwise once "
        f"that turn is there, so that the assistant's tokens can't be told exactly; {TAKE}"
    )


def test_a_template_without_an_end_of_turn_is_refused():
    endless = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}" + (
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    assert refused(endless) == (
        "the model's chat template ends the assistant's turns by no special token, so that the model can't "
        f"learn where to stop; {TAKE}"
    )


def test_a_token_across_the_border_of_a_turn_is_refused_where_it_occurs():
    """`assistant` and `:` and a line break: a reply that begins with one joins the prompt's last token."""
    from tokenizers import AddedToken

    tokenizer = byte_level(special=SPECIAL[CHATML])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    tokenizer.chat_template = CHATML
    chat = Chat(tokenizer, reads_first=False)
    with pytest.raises(
        InputError, match=r"^train\.jsonl:7: the model's chat template writes what stands before"
    ):
        chat.whole(turns("Hi", "\nYo"), "train.jsonl:7")


def test_what_a_template_refuses_is_said_in_its_words():
    _, chat = chat_for(MISTRAL)
    with pytest.raises(InputError) as caught:
        chat.whole(turns("Hi", "Yo", system="Be."), "train.jsonl:7")
    assert str(caught.value) == (
        "train.jsonl:7: the model's chat template refuses this dialogue: Conversation roles must alternate "
        "user/assistant/user/assistant/...; change the dialogue, or take another model"
    )


def test_words_that_are_special_tokens_are_refused():
    _, chat = chat_for(CHATML)
    chat.refuse_special(HARD, "x")
    with pytest.raises(InputError) as caught:
        chat.refuse_special(turns("Hi", "a <|im_end|> b"), "train.jsonl:7")
    assert str(caught.value) == (
        "train.jsonl:7, turn 2: it holds '<|im_end|>', which the model's tokenizer reads as a special token; "
        "delete it, or write it another way"
    )


def test_a_decoder_of_its_own_writes_the_reply_and_its_end():
    tokenizer = byte_level()
    chat = Chat(tokenizer, reads_first=True)
    assert tokenizer.decode(chat.reply("Yo")) == "Yo<eos>"
    assert chat.stop_ids == {tokenizer.eos_token_id}
    assert (
        tokenizer.decode(chat.prompt(turns("Hi", "Yo", "a"), "x"))
        == "user: Hi\nassistant: Yo\nuser: a\nassistant:"
    )


def test_a_tokenizer_of_bert_s_kind_gives_a_reply_that_ends_and_has_no_second_start():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "user", ":", "assistant", "hi", "yo"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    chat = Chat(tokenizer, reads_first=True)
    assert tokenizer.convert_ids_to_tokens(chat.reply("yo yo")) == ["yo", "yo", "[SEP]"]
    assert chat.stop_ids == {3}
    assert tokenizer.convert_ids_to_tokens(chat.prompt(turns("hi"), "x")) == [
        *("[CLS]", "user", ":", "hi", "assistant", ":", "[SEP]")
    ]


@pytest.mark.parametrize("reads_first", [True, False])
def test_without_any_token_that_ends_a_text_a_reply_is_refused(reads_first):
    tokenizer = byte_level(eos_token=None)
    with pytest.raises(InputError) as caught:
        Chat(tokenizer, reads_first=reads_first)
    assert str(caught.value) == (
        "the model's tokenizer has neither an end-of-sequence nor a separator token, so that the model can't "
        "learn where a reply ends; name one as eos_token in tokenizer_config.json"
    )
