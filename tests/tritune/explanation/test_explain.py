import pytest
import torch

from tritune.errors import InputError
from tritune.explanation.asked import Asked
from tritune.explanation.explain import absent_token, explain
from tritune.explanation.read_words import ReadWord

IDS = torch.tensor([[2, 6, 7, 8, 9, 3]])
WORDS = [ReadWord("text", "six", 0, 3, (1, 2)), ReadWord("text", "eight", 4, 9, (3,))]
WORDS += [ReadWord("text", "nine", 10, 14, (4,))]


def asked(words=WORDS, at=(0,)) -> Asked:
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    return Asked(
        said={"label": "a"},
        inputs=inputs,
        words=words,
        score_name="a logit",
        score=lambda output: output.logits[:, 0],
        probability=lambda output: output.logits.softmax(dim=-1)[:, 0],
        answered_at=at,
    )


def test_words_get_what_their_tokens_get_and_the_rest_gets_nothing(tiny_model):
    model = tiny_model("bert", initializer_range=0.3).eval()
    found = explain(model, asked(), absent=1, attention=False)
    tokens = found.attribution.tokens
    assert found.words == [float(tokens[1] + tokens[2]), float(tokens[3]), float(tokens[4])]
    assert sum(found.words) == pytest.approx(float(tokens.sum()))
    assert found.attention is None


def test_a_word_is_taken_out_by_the_vector_of_the_absent_token(tiny_model):
    model = tiny_model("bert", initializer_range=0.3).eval()
    found = explain(model, asked(WORDS[:1]), absent=1, attention=False)
    without = IDS.clone()
    without[0, 1:3] = 1
    with torch.no_grad():
        ends = [float(model(input_ids=ids).logits.softmax(dim=-1)[0, 0]) for ids in (IDS, without)]
    # One word: the curve is the line between with it and without it.
    assert found.deletion.area == pytest.approx(sum(ends) / 2, abs=1e-6)


def test_attention_is_the_rollout_of_the_places_that_answer(tiny_model):
    model = tiny_model("bert", initializer_range=0.3).eval()
    implementation = model.config._attn_implementation
    first, both = (explain(model, asked(at=at), absent=1, attention=True).attention for at in ((0,), (0, 3)))
    assert all(0 < share < 1 for share in first)
    assert sum(first) < 1
    assert both[1] > first[1]
    assert model.config._attn_implementation == implementation


def test_attention_of_a_model_that_is_no_encoder_is_refused(tiny_model):
    with pytest.raises(InputError) as error:
        explain(tiny_model("gpt2", pad_token_id=0), asked(), absent=1, attention=True)
    assert str(error.value) == (
        "--attention: rollout is for encoders, and this model is a GPT2ForSequenceClassification; leave the "
        "option out"
    )


def test_an_answer_without_a_word_is_refused(tiny_model):
    with pytest.raises(InputError) as error:
        explain(tiny_model("bert"), asked([]), absent=1, attention=False)
    assert str(error.value) == (
        "the model reads no word of this, so that there is nothing to explain; give it words"
    )


class Named:
    def __init__(self, **tokens: int) -> None:
        self.__dict__.update(tokens)


def test_mask_comes_before_padding_and_padding_before_unknown():
    assert absent_token(Named(mask_token_id=4, pad_token_id=0, unk_token_id=1)) == 4
    assert absent_token(Named(mask_token_id=None, pad_token_id=0, unk_token_id=1)) == 0
    assert absent_token(Named(eos_token_id=7)) == 7
    with pytest.raises(InputError) as error:
        absent_token(Named())
    assert str(error.value) == (
        "the model's tokenizer has no mask, pad, unknown or end-of-sequence token to stand for a word that "
        "is taken out; name one as pad_token in its tokenizer_config.json"
    )
