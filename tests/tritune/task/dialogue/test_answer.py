import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from tests.tritune.chat.templates import CHATML, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.errors import InputError
from tritune.models.finetuned import mark
from tritune.task.dialogue.answer import Answerer, given_turns


@pytest.fixture(scope="module", params=["causal_lm", "sequence_to_sequence"])
def answerer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = byte_level(special=SPECIAL[CHATML], model_max_length=300)
    tokenizer.chat_template = CHATML if request.param == "causal_lm" else None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    words = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    if request.param == "causal_lm":
        size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(**words, **size, num_key_value_heads=2, initializer_range=0.5))
    else:
        size = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_heads": 2, "num_layers": 1}
        model = T5ForConditionalGeneration(T5Config(**words, **size, decoder_start_token_id=0))
    mark(model, task="dialogue", objective=request.param, inputs=["messages"], answering={})
    model.save_pretrained(folder)
    return Answerer(folder, device=torch.device("cpu"))


def test_a_dialogue_in_any_form_has_the_same_reply_and_a_stream_gives_it_too(answerer):
    dialogue = turns("Hi there")
    forms = [dialogue, json.dumps(dialogue), "Hi there"]
    answers = answerer.answer([{"messages": one} for one in forms], batch_size=2, ids="abc", everything=True)
    assert len({one["reply"] for one in answers}) == 1
    logs = [one["mean_log_probability"] for one in answers]
    assert logs == pytest.approx([logs[0]] * 3, abs=1e-5)
    assert set(answers[0]) == {"reply", "mean_log_probability", "ended", "history_shortened"}
    assert "".join(answerer.stream(dialogue, name="x")).strip() == answers[0]["reply"]
    [short] = answerer.answer([{"messages": dialogue}], batch_size=1, ids="a", everything=False)
    assert short == {"reply": answers[0]["reply"]}


def test_a_history_that_is_too_long_loses_its_oldest_turns_and_says_so(answerer):
    long = turns(*["word " * 30] * 11)
    [answer] = answerer.answer([{"messages": long}], batch_size=1, ids="a", everything=True)
    assert answer["history_shortened"] is True


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (turns("Hi", "Yo"), "row 1: the last turn is the assistant's; a reply follows a turn of the user"),
        (turns("Hi", " ", "x"), "row 1: a turn is only white space; fill it in or delete it"),
        ("[1]", "row 1, turn 1: 1 has no `role` and `content`; write the turns as"),
    ],
)
def test_what_can_t_be_answered_is_said(value, sentence):
    with pytest.raises(InputError) as caught:
        given_turns(value, "row 1")
    assert str(caught.value).startswith(sentence)
