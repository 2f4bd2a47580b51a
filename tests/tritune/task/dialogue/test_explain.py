import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from tests.tritune.chat.templates import CHATML, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.explanation.explain import absent_token, explain
from tritune.models.finetuned import mark
from tritune.task.dialogue.explain import Explainer


@pytest.fixture(scope="module", params=["causal_lm", "sequence_to_sequence"])
def explainer(request, tmp_path_factory) -> Explainer:
    """A model that writes four tokens at most, so that nothing takes long."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = byte_level(special=SPECIAL[CHATML], model_max_length=200)
    tokenizer.chat_template = CHATML if request.param == "causal_lm" else None
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        words = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
        if request.param == "causal_lm":
            size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
            model = LlamaForCausalLM(
                LlamaConfig(
                    **words,
                    **size,
                    num_attention_heads=2,
                    initializer_range=0.5,
                    max_position_embeddings=300,
                )
            )
        else:
            size = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_heads": 2, "num_layers": 1}
            model = T5ForConditionalGeneration(T5Config(**words, **size, decoder_start_token_id=0))
    mark(model, task="dialogue", objective=request.param, inputs=["messages"], answering={})
    model.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tritune.task.dialogue.explain.MAX_NEW_TOKENS", 4)
        patch.setattr("tritune.task.dialogue.answer.MAX_NEW_TOKENS", 4)
        yield Explainer(folder, device=torch.device("cpu"))


def test_the_reply_is_asked_for_with_the_words_of_the_turns(explainer):
    dialogue = turns("Hello there", "Sure!", "Hello you")
    (asked,) = explainer.asked({"messages": json.dumps(dialogue)}, "row 1")
    [answer] = explainer.answer([{"messages": dialogue}], batch_size=1, ids=["row 1"], everything=True)
    assert asked.said == {"reply": answer["reply"]}
    assert [(word.part, word.text) for word in asked.words] == [
        ("turn 1 (user)", "Hello"),
        ("turn 1 (user)", "there"),
        ("turn 2 (assistant)", "Sure"),
        ("turn 2 (assistant)", "!"),
        ("turn 3 (user)", "Hello"),
        ("turn 3 (user)", "you"),
    ]
    if not answer["ended"]:
        with torch.no_grad():
            output = explainer.model(**asked.inputs)
        mean = float(asked.probability(output).log())
        assert mean == pytest.approx(answer["mean_log_probability"], abs=1e-3)


def test_the_explanation_of_a_reply_adds_up(explainer):
    (asked,) = explainer.asked({"messages": "Hello there"}, "row 1")
    found = explain(explainer.model, asked, absent=absent_token(explainer.tokenizer), attention=False)
    assert found.attribution.complete
    assert any(found.words)


def test_turns_that_were_left_out_are_named(explainer):
    dialogue = turns("one fine day " * 40, "Sure!", "Hello you")
    (asked,) = explainer.asked({"messages": dialogue}, "row 1")
    assert asked.unread == [
        "the oldest turns, or the beginning of the last, were left out for lack of room",
        "turn 1 (user) and turn 2 (assistant) can't be found again in what the model read",
    ]
    assert {word.part for word in asked.words} == {"turn 3 (user)"}
