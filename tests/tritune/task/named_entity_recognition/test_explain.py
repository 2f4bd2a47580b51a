"""A tiny random tagger: each entity is asked for where it was found."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from tritune.models.finetuned import mark
from tritune.objectives import token_labels
from tritune.task.named_entity_recognition.encode import words_batch
from tritune.task.named_entity_recognition.explain import Explainer
from tritune.words import words_of

LABELS = ["O", "B-person", "I-person", "B-place"]
TEXT = "my rose near the tree and the bag with a new map " * 2


@pytest.fixture(scope="module")
def explainer(tiny_base, tmp_path_factory) -> Explainer:
    folder = tmp_path_factory.mktemp("tagger")
    config = AutoConfig.from_pretrained(tiny_base, **token_labels.config(LABELS))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = AutoModelForTokenClassification.from_config(config)
        model.classifier.weight.data.normal_()
    mark(
        model,
        task="named_entity_recognition",
        objective="token_labels",
        inputs=["text"],
        answering={"stride": 4},
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_base, model_max_length=12).save_pretrained(folder)
    return Explainer(folder, device=torch.device("cpu"))


def test_each_entity_is_asked_for_in_a_window_that_the_tagger_read(explainer):
    found = explainer.asked({"text": TEXT}, "row 1")
    (answer,) = explainer.answer([{"text": TEXT}], batch_size=1, ids=["row 1"], everything=True)
    assert [asked.said for asked in found] == answer["entities"] != []
    rows = words_batch(explainer._encoder, [[word.text for word in words_of(TEXT)]]).column("input_ids")
    for asked in found:
        assert asked.inputs["input_ids"][0].tolist() in rows.to_pylist()
        for word in asked.words:
            assert TEXT[word.start : word.end] == word.text
        own = {word.tokens[0] for word in asked.words if word.start in range(*places(asked.said))}
        assert set(asked.answered_at) <= own
        (sentence,) = asked.unread
        assert sentence.startswith("the model read the text in ")
        assert f" of {len(TEXT)}, and the rest had no part in it" in sentence


def places(said) -> tuple[int, int]:
    return said["start"], said["end"]


def test_an_entity_of_one_word_is_as_likely_as_predict_says_and_its_score_is_its_logit(explainer):
    (answer,) = explainer.answer([{"text": TEXT}], batch_size=1, ids=["a"], everything=True)
    tags = {word["start"]: word["tag"] for word in answer["words"]}
    singles = 0
    for asked in explainer.asked({"text": TEXT}, "a"):
        if len(asked.answered_at) > 1 or " " in asked.said["text"]:
            continue
        singles += 1
        with torch.no_grad():
            output = explainer.model(**asked.inputs)
        assert float(asked.probability(output)) == pytest.approx(asked.said["probability"], abs=1e-5)
        tag = LABELS.index(tags[asked.said["start"]])
        assert float(asked.score(output)) == pytest.approx(float(output.logits[0, asked.answered_at[0], tag]))
    assert singles
