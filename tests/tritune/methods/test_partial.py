"""What each way of saying it freezes, by hand."""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.errors import InputError
from tritune.methods.partial import rates
from tritune.plan.rate import Rate
from tritune.settings.method import PartialSettings


def frozen(anatomy, **way: Any) -> set[str]:
    found = rates(anatomy, PartialSettings(kind="partial", **way), new_tensors=(), key="method.partial")
    assert found.keys() == set(anatomy.order)
    assert all(rate == Rate() for rate in found.values() if not rate.frozen)
    return {name for name, rate in found.items() if rate.frozen}


def frozen_parts(anatomy, **way: Any) -> list[str]:
    """The parts that are frozen; each is so as a whole or not at all."""
    names = frozen(anatomy, **way)
    for part in anatomy.parts:
        assert len({tensor.name in names for tensor in part.tensors}) == 1
    return [part.name for part in anatomy.parts if part.tensors[0].name in names]


def refusal(anatomy, **way: Any) -> str:
    with pytest.raises(InputError) as caught:
        frozen(anatomy, **way)
    return str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "count", "parts"),
    [
        ("bert", 0, []),
        ("bert", 1, ["embeddings", "layer.0"]),
        ("bert", 3, ["embeddings", "layer.0", "layer.1", "layer.2"]),
        ("gpt2", 2, ["embeddings", "layer.0", "layer.1"]),
        ("albert", 1, ["embeddings", "layer.0"]),
        ("t5", 2, ["embeddings", "encoder.layer.0", "encoder.layer.1"]),
        (
            "bart",
            3,
            ["embeddings", "encoder.layer.0", "encoder.layer.1", "decoder.embeddings", "decoder.layer.0"],
        ),
    ],
)
def test_the_lowest_layers_freeze_with_all_that_lies_below_them(anatomy_of, architecture, count, parts):
    assert frozen_parts(anatomy_of(architecture), freeze_layers=count) == parts


@pytest.mark.parametrize(
    ("fraction", "layers"),
    [(0.0, 0), (0.16, 0), (0.17, 1), (0.49, 1), (0.5, 2), (0.67, 2), (0.99, 3), (1.0, 3)],
)
def test_a_fraction_is_rounded_to_the_nearest_layer_and_half_a_layer_up(anatomy_of, fraction, layers):
    anatomy = anatomy_of("bert")
    assert frozen(anatomy, freeze_fraction=fraction) == frozen(anatomy, freeze_layers=layers)


def test_the_shipped_two_thirds_of_six_layers_are_four(anatomy_of):
    anatomy = anatomy_of("bert", num_hidden_layers=6)
    assert frozen(anatomy, freeze_fraction=0.67) == frozen(anatomy, freeze_layers=4)


def test_patterns_freeze_what_any_of_them_matches(anatomy_of):
    anatomy = anatomy_of("bert")
    patterns = ["*.embeddings.*", "*.LayerNorm.*"]
    assert frozen(anatomy, freeze_patterns=patterns) == {
        name for name in anatomy.order if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    assert len(frozen(anatomy, freeze_patterns=["bert.encoder.layer.[01].*"])) == 32


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta-v2", "t5", "gpt2-lm"])
@pytest.mark.parametrize("last", [1, 10])
def test_the_last_tensors_are_those_of_the_tutorials(tiny_model, anatomy_of, architecture, last):
    names = [name for name, _ in tiny_model(architecture).named_parameters()]
    assert frozen(anatomy_of(architecture), train_last_tensors=last) == set(names[:-last])


def test_ten_last_tensors_are_not_ten_layers(anatomy_of):
    anatomy = anatomy_of("bert")
    learning = [name for name in anatomy.order if name not in frozen(anatomy, train_last_tensors=10)]
    assert learning == [
        *(f"bert.encoder.layer.2.intermediate.dense.{kind}" for kind in ("weight", "bias")),
        *(f"bert.encoder.layer.2.output.dense.{kind}" for kind in ("weight", "bias")),
        *(f"bert.encoder.layer.2.output.LayerNorm.{kind}" for kind in ("weight", "bias")),
        *(f"bert.pooler.dense.{kind}" for kind in ("weight", "bias")),
        *(f"classifier.{kind}" for kind in ("weight", "bias")),
    ]


def test_all_last_tensors_freeze_nothing(anatomy_of):
    anatomy = anatomy_of("bert")
    assert frozen(anatomy, train_last_tensors=len(anatomy.order)) == set()


@given(count=st.integers(0, 5))
@settings(deadline=None)
def test_one_more_layer_freezes_all_that_one_less_does_and_more(anatomy_of, count):
    for architecture in ("t5", "bart"):
        anatomy = anatomy_of(architecture)
        if count:
            assert frozen(anatomy, freeze_layers=count - 1) < frozen(anatomy, freeze_layers=count)
        else:
            assert frozen(anatomy, freeze_layers=0) == set()


def test_more_layers_than_there_are(anatomy_of):
    assert refusal(anatomy_of("bert"), freeze_layers=4) == (
        "method.partial.freeze_layers: the model has 3 layers (got 4); give 0 to 3"
    )


def test_more_tensors_than_there_are(anatomy_of):
    total = len(anatomy_of("bert").order)
    assert refusal(anatomy_of("bert"), train_last_tensors=total + 1) == (
        f"method.partial.train_last_tensors: the model has {total} tensors (got {total + 1}); "
        f"give at most {total}"
    )


def test_a_pattern_without_match_suggests_names(anatomy_of):
    message = refusal(anatomy_of("bert"), freeze_patterns=["*.embeddings.*", "bert.encoder.layers.0.*"])
    assert re.fullmatch(
        r"method\.partial\.freeze_patterns: the pattern 'bert\.encoder\.layers\.0\.\*' matches no tensor "
        r"of the model; the closest names are bert\.encoder\.layer\.0\.\S+, bert\.encoder\.layer\.\S+, "
        r"bert\.encoder\.layer\.\S+; `tritune plan` lists the model's parts",
        message,
    )
