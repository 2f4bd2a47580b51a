"""What a compiled plan says of itself, and what is refused before any training."""

import importlib

import pytest

from tests.tritune.plan.compiled_plans import rate_of, refusal
from tritune.plan.compile import compile_plan
from tritune.plan.make import make_plan
from tritune.plan.rate import Rate
from tritune.settings.method import FullSettings


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        ("full", {}, "lr: auto gave 5.0e-04 from width 16, 3 of 3 layers learning, a new head"),
        (
            "partial",
            {"freeze_layers": 2},
            "lr: auto gave 1.2e-03 from width 16, 1 of 3 layers learning, a new head",
        ),
        (
            "adaptive",
            {"decay": 0.5},
            "lr: auto gave 1.0e-03 from width 16, 3 of 3 layers learning, a new head, decay 0.5",
        ),
        (
            "full",
            {"new_tensors": []},
            "lr: auto gave 2.5e-04 from width 16, 3 of 3 layers learning, a head that is not new",
        ),
        (
            "gradual",
            {"decay": 0.5},
            "lr: auto gave 1.0e-03 from width 16, 3 of 3 layers learning, a new head, decay 0.5",
        ),
        (
            "norms_and_biases",
            {},
            "lr: auto gave 5.0e-03 from width 16, 3 of 3 layers learning, a new head, few numbers of each "
            "layer",
        ),
        (
            "partial",
            {"architecture": "albert", "freeze_layers": 1},
            "lr: auto gave 2.8e-03 from width 16, 0 of 3 layers learning, a new head",
        ),
    ],
)
def test_an_automatic_rate_says_what_it_rests_on(compiled, kind, more, sentence):
    plan = compiled(kind, **more)
    assert plan.notes[0] == f"{sentence}; set lr to choose your own"
    assert plan.groups[-1].lr == float(sentence.split()[3])


def test_a_head_that_answers_for_every_token_gets_half_the_rate_and_the_plan_says_so():
    from transformers import BertConfig, BertForTokenClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForTokenClassification(BertConfig(**sizes, vocab_size=50, num_labels=3))
    new = ["classifier.weight", "classifier.bias"]
    plan = make_plan(model, FullSettings(kind="full"), new_tensors=new, key="method.full")
    assert plan.notes[0] == (
        "lr: auto gave 2.5e-04 from width 16, 3 of 3 layers learning, a new head that answers for every "
        "token; set lr to choose your own"
    )


def test_a_rate_of_ones_own_needs_no_note(compiled):
    assert compiled("full", lr=1e-4).notes == ()


def test_the_exponents_are_explained(compiled):
    assert compiled("adaptive", decay=0.9, lr=1e-4).notes == (
        "rate = lr x decay^exponent; the exponent is 0 for the top layer and all above it, 3 for the "
        "embeddings",
    )


def test_last_tensors_are_told_from_layers(compiled):
    assert compiled("partial", train_last_tensors=10, lr=1e-4).notes == (
        "train_last_tensors counts tensors in the order of model.parameters(), weights and biases one by "
        "one; to freeze whole layers use freeze_layers",
    )


def test_a_plan_that_trains_nothing_is_refused(compiled):
    assert refusal(compiled, "partial", freeze_patterns=["*"], new_tensors=[]) == (
        "method.partial: the plan trains nothing, every tensor is frozen; freeze less"
    )


def test_a_new_head_that_would_stay_random_is_refused(compiled):
    assert refusal(compiled, "partial", freeze_patterns=["classifier.*"]) == (
        "method.partial: classifier.bias would be frozen, but it is newly initialised, not pretrained, and "
        "would stay random; freeze less, so that the new tensors learn: classifier.bias, classifier.weight"
    )
    assert "classifier.weight would be frozen" in refusal(compiled, "partial", train_last_tensors=1)


def test_a_head_that_is_pretrained_may_be_frozen(compiled):
    rates = rate_of(compiled("partial", freeze_patterns=["classifier.*"], new_tensors=[]))
    assert [name for name, lr in rates.items() if lr is None] == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("partial", {"freeze_patterns": ["classifier.*"], "new_tensors": []}),
        ("adaptive", {"rates": {"classifier.*": 1e-3}}),
    ],
)
def test_a_head_rate_without_effect_is_refused(compiled, kind, more):
    assert refusal(compiled, kind, head_lr=0.01, **more) == (
        f"method.{kind}.head_lr: has no effect, since every tensor of the head is frozen or has a rate of "
        "its own (got 0.01); leave it out"
    )


def test_rates_for_other_tensors_are_a_programming_error(anatomy_of):
    anatomy = anatomy_of("bert")
    rates = importlib.import_module("tritune.methods.full").rates(
        anatomy, FullSettings(kind="full"), new_tensors=(), key="k"
    )
    with pytest.raises(ValueError, match=r"rates for other tensors than the model's: \['elsewhere'\]"):
        compile_plan(
            anatomy, {**rates, "elsewhere": Rate()}, FullSettings(kind="full"), new_tensors=[], key="k"
        )
