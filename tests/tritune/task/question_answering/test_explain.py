"""Tiny random models: an answer is asked for in the window that gave it, with the user's own words."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.tritune.tiny_tokenizers import byte_level
from tritune.models.finetuned import mark
from tritune.task.question_answering.explain import Explainer

LONG = "the rose is near the old tree with a new bag please " * 4
GIVEN = {"question": "where is my rose", "context": LONG}


@pytest.fixture
def pointing(pointing_folder):
    """Return a function: (threshold) -> an explainer of a model that points."""

    def make(threshold: float | None = None) -> Explainer:
        folder = pointing_folder()
        if threshold is not None:
            (folder / "decided.json").write_text(json.dumps({"no_answer_threshold": threshold}))
        return Explainer(folder, device=torch.device("cpu"))

    return make


def test_a_span_is_asked_for_at_its_tokens_in_the_window_with_the_best_score(pointing):
    explainer = pointing()
    (asked,) = explainer.asked(GIVEN, "row 1")
    (answer,) = explainer.answer([GIVEN], batch_size=1, ids=["row 1"], everything=False)
    assert asked.said == answer
    ids = asked.inputs["input_ids"][0].tolist()
    first, last = asked.answered_at[0], asked.answered_at[-1]
    assert explainer.tokenizer.decode(ids[first : last + 1]) == answer["answer"]
    (found,) = explainer._candidates([GIVEN["question"]], [LONG], batch_size=8)
    with torch.no_grad():
        output = explainer.model(**asked.inputs)
    assert float(asked.score(output)) == pytest.approx(found.spans[0].score, abs=1e-4)
    shares = output.start_logits.softmax(-1)[0, first] * output.end_logits.softmax(-1)[0, last]
    assert float(asked.probability(output)) == pytest.approx(float(shares), abs=1e-6)


def test_question_and_context_are_explained_each_with_its_own_places(pointing):
    (asked,) = pointing().asked(GIVEN, "row 1")
    question = [word for word in asked.words if word.part == "question"]
    assert [(word.text, word.start) for word in question] == [
        ("where", 0),
        ("is", 6),
        ("my", 9),
        ("rose", 12),
    ]
    for word in asked.words:
        assert GIVEN[word.part][word.start : word.end] == word.text
    tokens = [place for word in asked.words for place in word.tokens]
    assert len(tokens) == len(set(tokens)) == asked.inputs["input_ids"].shape[1] - 3
    assert asked.unread[0].startswith("the model read the context in ")


def test_no_answer_is_asked_for_where_the_model_says_it(pointing):
    explainer = pointing(threshold=-1e6)
    (asked,) = explainer.asked(GIVEN, "row 1")
    assert asked.said["no_answer"] is True
    assert asked.answered_at == [0]
    (found,) = explainer._candidates([GIVEN["question"]], [LONG], batch_size=8)
    with torch.no_grad():
        score = float(asked.score(explainer.model(**asked.inputs)))
    assert score == pytest.approx(found.null_score, abs=1e-4)


def test_a_written_answer_has_the_words_of_question_and_context_but_not_the_prompt_s(tmp_path):
    tokenizer = byte_level(model_max_length=120, corpus=[LONG, GIVEN["question"]])
    tokenizer.save_pretrained(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, **size)
        )
    mark(
        model,
        task="question_answering",
        objective="causal_lm",
        inputs=("question", "context"),
        answering={"stride": 8},
    )
    model.save_pretrained(tmp_path)
    (tmp_path / "decided.json").write_text(json.dumps({"max_new_tokens": 4}))
    explainer = Explainer(tmp_path, device=torch.device("cpu"))
    given = {"question": GIVEN["question"], "context": "the rose is near the old tree"}
    (asked,) = explainer.asked(given, "row 1")
    (answer,) = explainer.answer([given], batch_size=1, ids=["row 1"], everything=False)
    assert asked.said == {"answer": answer["answer"], "no_answer": answer["no_answer"]}
    assert {word.part for word in asked.words} == {"question", "context"}
    for word in asked.words:
        assert given[word.part][word.start : word.end] == word.text
    assert sum(word.part == "context" for word in asked.words) == 7
    assert asked.unread == []
