"""A tiny random classifier: what it reads is what `tritune predict` reads, and every word is in its place."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from tritune.models.finetuned import mark
from tritune.objectives import multi_label, single_label
from tritune.task.text_classification.explain import Explainer

LABELS = ["garden", "kitchen", "travel"]
LONG = " ".join(["rose", "soil", "seed", "water", "tree", "bloom"] * 3)


@pytest.fixture
def explainer(tiny_base, tmp_path):
    """Return a function: (keep, objective, longest) -> an explainer."""

    def make(keep="head", objective=single_label, longest=64) -> Explainer:
        config = AutoConfig.from_pretrained(tiny_base, **objective.config(LABELS))
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = AutoModelForSequenceClassification.from_config(config)
            model.classifier.weight.data.normal_()
        answering = {"truncation": keep}
        mark(
            model,
            task="text_classification",
            objective=objective.name,
            inputs=["text"],
            answering=answering,
        )
        model.save_pretrained(tmp_path)
        AutoTokenizer.from_pretrained(tiny_base, model_max_length=longest).save_pretrained(tmp_path)
        return Explainer(tmp_path, device=torch.device("cpu"))

    return make


def test_the_likeliest_label_with_the_words_of_the_text(explainer):
    one = explainer()
    given = {"text": "my  rose, soil"}
    (asked,) = one.asked(given, "row 1")
    (answer,) = one.answer([given], batch_size=1, ids=["row 1"], everything=False)
    assert asked.said == answer
    assert [(word.text, word.start, word.tokens) for word in asked.words] == [
        ("my", 0, (1,)),
        ("rose", 4, (2,)),
        (",", 8, (3,)),
        ("soil", 10, (4,)),
    ]
    assert asked.unread == []
    with torch.no_grad():
        output = one.model(**asked.inputs)
    assert float(asked.probability(output)) == pytest.approx(answer["probability"], abs=1e-5)
    odds = answer["probability"] / (1 - answer["probability"])
    assert float(asked.score(output)) == pytest.approx(torch.tensor(odds).log().item(), abs=1e-4)


@pytest.mark.parametrize(
    ("keep", "kept", "characters"),
    [
        ("head", range(6), "0 to 31"),
        ("tail", range(12, 18), "64 to 95"),
        ("head_tail", [0, 13, 14, 15, 16, 17], "0 to 4 and 69 to 95"),
    ],
)
def test_of_a_long_text_the_part_that_is_read_is_explained_and_named(explainer, keep, kept, characters):
    one = explainer(keep, longest=8)
    (asked,) = one.asked({"text": LONG}, "row 1")
    words = LONG.split()
    assert [word.text for word in asked.words] == [words[number] for number in kept]
    ids = asked.inputs["input_ids"][0].tolist()
    assert ids == one._tokenizer.encode([LONG], keep=keep).input_ids[0]
    for word in asked.words:
        assert one.tokenizer.decode([ids[place] for place in word.tokens]) == word.text
        assert LONG[word.start : word.end] == word.text
    assert asked.unread == [
        f"the model read 6 of the 18 tokens of text (characters {characters} of 95); the rest had no part in "
        "this"
    ]


def test_both_texts_of_a_pair_are_explained(explainer):
    given = {"text": "rose soil", "text_pair": "the oven"}
    (asked,) = explainer().asked(given, "row 1")
    assert [(word.part, word.text, word.tokens) for word in asked.words] == [
        ("text", "rose", (1,)),
        ("text", "soil", (2,)),
        ("text_pair", "the", (4,)),
        ("text_pair", "oven", (5,)),
    ]


def test_of_several_labels_each_is_explained_by_its_own_log_odds(explainer):
    one = explainer(objective=multi_label)
    given = {"text": "rose soil oven"}
    (answer,) = one.answer([given], batch_size=1, ids=["a"], everything=True)
    found = one.asked(given, "a")
    assert [asked.said["label"] for asked in found] == answer["labels"] or not answer["labels"]
    with torch.no_grad():
        output = one.model(**found[0].inputs)
    for asked in found:
        probability = answer["probabilities"][asked.said["label"]]
        assert float(asked.probability(output)) == pytest.approx(probability, abs=1e-5)


def test_where_no_label_is_likely_the_likeliest_is_explained(explainer):
    one = explainer(objective=multi_label)
    one.model.classifier.bias.data.fill_(-50)
    (asked,) = one.asked({"text": "rose"}, "a")
    assert asked.said["probability"] < 0.5
