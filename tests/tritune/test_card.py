from typing import get_args

import pytest
from ruamel.yaml import YAML

from tritune.card import WORDS, model_card
from tritune.comparison import Method, Training, choose, comparison_content
from tritune.evidence import weigh
from tritune.metrics.catalogue import metrics_of
from tritune.settings.decide import CompareSettings
from tritune.settings.method import MethodSettings
from tritune.task.text_classification.card import card_text

KINDS = get_args(get_args(MethodSettings)[0])
METRICS = metrics_of("text_classification", objective="single_label")


def card(*, labels: list[str], warnings: list[str] | None = None, kind: str = "full") -> str:
    scores = dict.fromkeys(METRICS, 0.5)
    methods = [Method("mine", kind, 10, 20, [Training(1, scores, scores, 2, 1, 2.0)])]
    settings = CompareSettings(metric="macro_f1")
    known = weigh({"mine": [0.5]}, metric="macro_f1", parts=None)
    evidence = {"validation": known, "test": known}
    content = comparison_content(methods, choose(methods, settings, known), settings, evidence)
    content["baseline"] = {"name": "counted <words>", "test": {"macro_f1": 0.25}}
    content |= {
        "rates": {"mine": {"peak": 2.5e-4, "why": "the sweep found it"}},
        "task": "text_classification",
        "objective": "single_label",
        "labels": labels,
        "rows": {"train": 9, "validation": 3, "test": 4},
        "floor": {"name": f"always {labels[0]}", "validation": scores, "test": scores},
        "metrics": list(METRICS),
        "data": {"max_length": 128, "counts": {"train": {"truncated": 0}}},
        "warnings": warnings or [],
        "decided": {"temperature": 1.5},
    }
    return model_card(content, card_text(content), architecture="bert")


@pytest.mark.parametrize("kind", [one.model_fields["kind"].annotation for one in KINDS], ids=str)
def test_every_kind_of_method_has_words(kind):
    (name,) = get_args(kind)
    said = card(labels=["a", "b"], kind=name)
    assert f"- Method: mine ({WORDS[name]}), seed 1; 10 of 20 parameters learnt (50.0%)." in said
    assert "- Highest peak learning rate: 2.5e-04; the sweep found it." in said


def test_labels_of_any_kind_survive_the_front_matter_and_the_text():
    labels = ["yes: no", "`tick`", '"quoted" # not a comment', "two\nlines", "été", "- x"]
    text = card(labels=labels)
    assert YAML(typ="safe").load(text.split("---\n")[1])["tritune"]["labels"] == labels
    assert "`` `tick` ``" in text
    assert "`two lines`" in text


def test_warnings_are_told_and_act_as_text():
    text = card(labels=["a", "b"], warnings=["always '<b>' | *x*"])
    assert "- always '&lt;b\\>' \\| \\*x\\*" in text
    assert "Warnings:" not in card(labels=["a", "b"])


def test_very_many_labels_are_shortened():
    assert "and 50 more in `config.json`" in card(labels=[f"l{index}" for index in range(250)])


def test_the_baseline_is_told():
    assert "counted &lt;words\\> has a macro F1 of 0.2500 on test." in card(labels=["a", "b"])


def test_the_temperature_is_told():
    assert "logits divided by 1.5, a temperature set on the validation split" in card(labels=["a", "b"])
