import pytest

from tests.tritune.chat.templates import CHATML, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.chat.template import PLAIN
from tritune.errors import InputError
from tritune.settings.model import TokenizeSettings
from tritune.task.dialogue.encode import encoder
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED


def encoder_for(objective, *, template=CHATML, max_length=200):
    tokenizer = byte_level(special=SPECIAL.get(template, ("<pad>", "<eos>")))
    tokenizer.chat_template = template
    text = TextTokenizer(tokenizer, pad_token_id=0, pad_is_eos=False, max_length=max_length)
    return tokenizer, encoder(text, TokenizeSettings(), labels=[], objective=objective, given=[])


def encoded(encode, dialogues):
    counts = {}
    ids = [f"d{i}" for i in range(len(dialogues))]
    return encode.encode({"id": ids, "messages": dialogues}, counts).to_pylist(), counts


def test_a_decoder_s_row_is_a_dialogue_with_labels_on_the_assistant_s_tokens():
    tokenizer, encode = encoder_for("causal_lm")
    rows, counts = encoded(encode, [turns("Hi", "Yo", "a", "b", "left over"), turns("x", "y")])
    assert [row["id"] for row in rows] == ["d0", "d1"]
    assert [row["turns"] for row in rows] == [[1, 3], [1]]
    for row in rows:
        assert len(row["labels"]) == len(row["input_ids"])
        assert all(
            label in (IGNORED, token) for label, token in zip(row["labels"], row["input_ids"], strict=True)
        )
    learnt = [token for token in rows[0]["labels"] if token != IGNORED]
    assert tokenizer.decode(learnt) == "Yo<|im_end|>b<|im_end|>"
    assert tokenizer.decode(rows[0]["input_ids"]).endswith("b<|im_end|>")
    assert counts == {}
    assert encode.files == {}


def test_a_model_without_a_template_is_given_the_plain_one_for_its_folder():
    assert encoder_for("causal_lm", template=None)[1].files == {"chat_template.jinja": PLAIN}
    assert encoder_for("sequence_to_sequence", template=None)[1].files == {}


def test_windows_of_a_long_dialogue_share_its_id():
    _, encode = encoder_for("causal_lm", max_length=130)
    rows, counts = encoded(encode, [turns(*[f"turn number {i}" for i in range(10)])])
    assert len(rows) > 1
    assert {row["id"] for row in rows} == {"d0"}
    assert [turn for row in rows for turn in row["turns"]] == [1, 3, 5, 7, 9]
    assert counts["turns_without_their_whole_history"] > 0


def test_an_encoder_decoder_s_row_is_a_reply():
    tokenizer, encode = encoder_for("sequence_to_sequence", template=None)
    rows, counts = encoded(encode, [turns("Hi", "Yo", "a", "b", system="Be.")])
    assert [(row["id"], row["turns"]) for row in rows] == [("d0", [2]), ("d0", [4])]
    assert [tokenizer.decode(row["labels"]) for row in rows] == ["Yo<eos>", "b<eos>"]
    assert (
        tokenizer.decode(rows[1]["input_ids"]) == "system: Be.\nuser: Hi\nassistant: Yo\nuser: a\nassistant:"
    )
    assert counts == {}


def test_what_an_encoder_decoder_can_t_write_is_counted():
    _, encode = encoder_for("sequence_to_sequence", template=None, max_length=40)
    rows, counts = encoded(encode, [turns("x" * 100, "y" * 100)])
    [row] = rows
    assert len(row["input_ids"]) <= 40
    assert len(row["labels"]) == 40
    assert counts == {
        "questions_without_their_beginning": 1,
        "replies_without_their_end": 1,
        "tokens_of_replies_lost": 61,
    }


@pytest.mark.parametrize("objective", ["causal_lm", "sequence_to_sequence"])
def test_special_tokens_in_a_turn_are_refused_by_the_dialogue_s_id(objective):
    _, encode = encoder_for(objective)
    with pytest.raises(InputError, match=r"^d1, turn 2: it holds '<\|im_end\|>'"):
        encoded(encode, [turns("a", "b"), turns("a", "b <|im_end|>")])
