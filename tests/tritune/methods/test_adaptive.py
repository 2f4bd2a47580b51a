"""Exponents and rates by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.errors import InputError
from tritune.methods.adaptive import rates
from tritune.plan.rate import Rate
from tritune.settings.method import AdaptiveSettings


def found(anatomy, **way: Any) -> dict[str, Rate]:
    by_name = rates(anatomy, AdaptiveSettings(kind="adaptive", **way), new_tensors=(), key="method.adaptive")
    assert by_name.keys() == set(anatomy.order)
    return by_name


def by_part(anatomy, **way: Any) -> dict[str, Rate]:
    by_name = found(anatomy, **way)
    for part in anatomy.parts:
        assert len({by_name[tensor.name] for tensor in part.tensors}) == 1
    return {part.name: by_name[part.tensors[0].name] for part in anatomy.parts}


DECODER = {"decoder.layer.0": 2, "decoder.layer.1": 1, "decoder.layer.2": 0}
ENCODER = {"embeddings": 5, "encoder.layer.0": 4, "encoder.layer.1": 3}
EXPONENTS = {
    "bert": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "final": 0, "head": 0},
    "deberta-v2": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "head": 0},
    "albert": {"embeddings": 1, "layer.0": 0, "final": 0, "head": 0},
    "gpt2": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "final": 0, "head": 0},
    "t5": {**ENCODER, "encoder.final": 3, **DECODER, "decoder.final": 0, "head": 0},
    "bart": {**ENCODER, "decoder.embeddings": 3, **DECODER, "head": 0},
}


@pytest.mark.parametrize("architecture", EXPONENTS)
def test_the_exponent_grows_by_one_a_layer_going_down(anatomy_of, architecture):
    parts = by_part(anatomy_of(architecture), decay=0.5)
    assert {name: rate.exponent for name, rate in parts.items()} == EXPONENTS[architecture]
    assert all(rate.multiple == 0.5**rate.exponent for rate in parts.values())


def test_norms_and_biases_take_their_layers_rate(anatomy_of):
    by_name = found(anatomy_of("bert"), decay=0.5)
    layer = "bert.encoder.layer.0"
    assert by_name[f"{layer}.output.LayerNorm.bias"] == by_name[f"{layer}.output.dense.weight"]
    assert by_name[f"{layer}.output.dense.bias"].multiple == 0.25


@pytest.mark.parametrize("architecture", EXPONENTS)
@given(decay=st.floats(0.01, 1))
@settings(deadline=None, max_examples=30)
def test_rates_never_rise_going_down(anatomy_of, architecture, decay):
    multiples = [rate.multiple for rate in by_part(anatomy_of(architecture), decay=decay).values()]
    assert multiples == sorted(multiples)
    assert max(multiples) == 1
    assert min(multiples) > 0


def test_two_groups_are_the_body_and_the_head(anatomy_of):
    parts = by_part(anatomy_of("bert"), body_lr=1e-5)
    assert parts.pop("head") == Rate()
    assert set(parts.values()) == {Rate(absolute=1e-5)}


def test_patterns_give_their_rates_and_the_rest_learns_at_lr(anatomy_of):
    by_name = found(anatomy_of("bert"), rates={"*.layer.2.*": 3e-4, "bert.embeddings.*": 1e-6})
    for name, rate in by_name.items():
        if ".layer.2." in name:
            assert rate == Rate(absolute=3e-4)
        elif name.startswith("bert.embeddings."):
            assert rate == Rate(absolute=1e-6)
        else:
            assert rate == Rate()


def test_two_patterns_on_one_tensor_are_refused(anatomy_of):
    with pytest.raises(InputError) as caught:
        found(anatomy_of("bert"), rates={"bert.*": 1e-5, "*.pooler.dense.bias": 1e-4})
    assert str(caught.value) == (
        "method.adaptive.rates: bert.pooler.dense.bias is claimed by two patterns, 'bert.*' and "
        "'*.pooler.dense.bias'; make them exclude each other"
    )


def test_a_pattern_without_match_is_refused(anatomy_of):
    with pytest.raises(
        InputError, match=r"method\.adaptive\.rates: the pattern 'clasifier\.\*' matches no tensor"
    ):
        found(anatomy_of("bert"), rates={"clasifier.*": 1e-3})
