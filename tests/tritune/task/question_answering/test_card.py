import ast

import pytest

from tritune.task.question_answering.card import EXAMPLES, card_text


@pytest.mark.parametrize("objective", EXAMPLES)
def test_its_example_is_python(objective):
    words = card_text({"objective": objective, "decided": {}})
    ast.parse("\n".join(words.example))
    assert words.tag == "question-answering"
    assert words.does.endswith(".")


@pytest.mark.parametrize(
    ("objective", "threshold", "sentence"),
    [
        ("spans", None, "answers every question."),
        ("spans", 1.5, "was tuned on the validation split: see `decided.json`."),
        ("causal_lm", None, "It can write what the text does not say."),
    ],
)
def test_its_limits_say_what_becomes_of_questions_without_answer(objective, threshold, sentence):
    decided = {"no_answer_threshold": threshold} if objective == "spans" else {}
    assert sentence in card_text({"objective": objective, "decided": decided}).limits
