import dataclasses
import json

import pytest
import torch

from tritune.explanation.asked import Asked
from tritune.explanation.deletion import Deletion
from tritune.explanation.explain import Explanation
from tritune.explanation.integrated_gradients import Attribution
from tritune.explanation.read_words import ReadWord
from tritune.explanation.told import as_values, evidence

ASKED = Asked(
    said={"label": "garden", "probability": 0.9},
    inputs={},
    words=[ReadWord("text", "rose", 0, 4, (1,)), ReadWord("text", "soil", 5, 9, (2,))],
    score_name="log-odds of the label",
    score=lambda output: output,
    probability=lambda output: output,
    answered_at=[0],
    unread=["the model read half of it"],
)
FOUND = Explanation(
    asked=ASKED,
    attribution=Attribution(torch.tensor([0.0, 2.0, -0.5]), 2.0, 0.5, 32, 0.012),
    words=[2.0, -0.5],
    deletion=Deletion(0.25, (0.5,) * 10),
    attention=[0.4, 0.3],
)


def test_the_values_are_plain_and_say_all():
    values = as_values(FOUND)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["label"] == "garden"
    assert values["score"] == {"is": "log-odds of the label", "value": 2.0, "without_words": 0.5}
    assert values["words"][1] == {
        "part": "text",
        "text": "soil",
        "start": 5,
        "end": 9,
        "attribution": -0.5,
        "attention": 0.3,
    }
    assert values["integrated_gradients"] == {"steps": 32, "error": 0.012, "complete": True}
    assert values["deletion"] == {
        "area": 0.25,
        "random_area": 0.5,
        "random_orders": 10,
        "random_orders_beaten": 10,
    }
    assert values["unread"] == ["the model read half of it"]
    assert "attention" not in as_values(dataclasses.replace(FOUND, attention=None))["words"][0]


def test_the_sentences():
    assert evidence(FOUND) == [
        "All words together: log-odds of the label 2.00 with them, 0.50 without.",
        "The numbers add up to the difference within 1.2 % (32 steps).",
        "As the highest words are taken out first, the probability is 0.250 on average; in random order "
        "0.500. That is lower than in 10 of 10 random orders: the numbers name what the model uses.",
        "Note: the model read half of it.",
    ]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            0.3,
            "Caution: the numbers miss 30 % of the difference even in 512 steps; read them as a rough order.",
        ),
        (float("inf"), "The words make no difference: the numbers explain nothing."),
    ],
)
def test_numbers_that_do_not_add_up_are_called_so(error, sentence):
    attribution = dataclasses.replace(FOUND.attribution, steps=512, error=error)
    found = dataclasses.replace(FOUND, attribution=attribution)
    assert evidence(found)[1] == sentence
    assert as_values(found)["integrated_gradients"]["complete"] is False
    json.dumps(as_values(found), allow_nan=False)


@pytest.mark.parametrize(
    ("better", "verdict"),
    [(5, "don't rely on the numbers"), (6, "the numbers say something, not all"), (10, "the numbers name")],
)
def test_the_verdict_follows_the_random_orders(better, verdict):
    areas = (0.9,) * better + (0.1,) * (10 - better)
    found = dataclasses.replace(FOUND, deletion=Deletion(0.5, areas))
    assert verdict in evidence(found)[2]
