"""When each part begins, by hand."""

import pytest

from tritune.methods.adaptive import rates as adaptive_rates
from tritune.methods.gradual import rates
from tritune.plan.rate import Rate
from tritune.settings.method import AdaptiveSettings, GradualSettings


def found(anatomy, *, new_tensors=(), **more) -> dict[str, Rate]:
    settings = GradualSettings(kind="gradual", **more)
    by_name = rates(anatomy, settings, new_tensors=new_tensors, key="method.m")
    assert by_name.keys() == set(anatomy.order)
    return by_name


def turns(anatomy, **more) -> dict[str, float]:
    """The start of each part in tenths of a training; its tensors begin together."""
    by_name = found(anatomy, **more)
    for part in anatomy.parts:
        assert len({by_name[tensor.name] for tensor in part.tensors}) == 1
    return {part.name: round(10 * by_name[part.tensors[0].name].start, 6) for part in anatomy.parts}


T5_ENCODER = {"embeddings": 6, "encoder.layer.0": 5, "encoder.layer.1": 4, "encoder.final": 4}
T5_DECODER = {"decoder.layer.0": 3, "decoder.layer.1": 2, "decoder.layer.2": 1, "decoder.final": 1}
TURNS = {
    "bert": {"embeddings": 4, "layer.0": 3, "layer.1": 2, "layer.2": 1, "final": 1, "head": 0},
    "albert": {"embeddings": 2, "layer.0": 1, "final": 1, "head": 0},
    "gpt2": {"embeddings": 4, "layer.0": 3, "layer.1": 2, "layer.2": 1, "final": 1, "head": 0},
    "gpt2-lm": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "final": 0},
    "llama-lm": {"embeddings": 4, "layer.0": 3, "layer.1": 2, "layer.2": 1, "final": 1, "head": 0},
    "t5": {**T5_ENCODER, **T5_DECODER, "head": 0},
}


@pytest.mark.parametrize("architecture", TURNS)
def test_one_layer_more_begins_at_a_time_from_the_top_down(anatomy_of, architecture):
    """With a share of a tenth for each turn, the starts are the turns."""
    turn = TURNS[architecture]
    assert turns(anatomy_of(architecture), unfreeze_share=max(turn.values()) / 10) == turn


def test_the_embeddings_begin_last_at_half_of_the_training_by_default(anatomy_of):
    by_name = found(anatomy_of("bert"))
    assert by_name["bert.embeddings.word_embeddings.weight"].start == 0.5
    assert max(rate.start for rate in by_name.values()) == 0.5


def test_what_is_new_begins_at_once_wherever_it_is(anatomy_of):
    new = ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    by_name = found(anatomy_of("bert"), new_tensors=new)
    assert {by_name[name].start for name in new} == {0.0}
    assert by_name["bert.encoder.layer.2.output.dense.weight"].start == 0.125


@pytest.mark.parametrize("architecture", ["bert", "gpt2-lm", "t5"])
def test_the_rates_are_those_of_adaptive_where_it_decays_and_one_elsewhere(anatomy_of, architecture):
    anatomy = anatomy_of(architecture)
    settings = AdaptiveSettings(kind="adaptive", decay=0.4)
    expected = adaptive_rates(anatomy, settings, new_tensors=(), key="method.m")
    for name, rate in found(anatomy, decay=0.4).items():
        assert (rate.multiple, rate.exponent) == (expected[name].multiple, expected[name].exponent)
    assert {(rate.multiple, rate.exponent) for rate in found(anatomy).values()} == {(1.0, None)}


def test_the_plan_says_that_a_tied_matrix_holds_still_at_first(compiled):
    notes = compiled("gradual", architecture="gpt2-lm", new_tensors=[]).notes
    shared = "transformer.wte.weight is also the matrix of the output layer"
    assert f"{shared}: with the embeddings it holds still at first there too" in notes
    assert f"{shared}: it learns at the embeddings' rate there too" not in notes
