"""What learns is one-dimensional, or new."""

import pytest

from tritune.methods.norms_and_biases import rates
from tritune.plan.rate import FROZEN, Rate
from tritune.settings.method import NormsAndBiasesSettings


def learning(anatomy, new_tensors=()) -> set[str]:
    settings = NormsAndBiasesSettings(kind="norms_and_biases")
    by_name = rates(anatomy, settings, new_tensors=new_tensors, key="method.m")
    assert by_name.keys() == set(anatomy.order)
    assert set(by_name.values()) <= {FROZEN, Rate()}
    return {name for name, rate in by_name.items() if not rate.frozen}


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "llama-lm", "t5", "t5-lm", "bart"])
def test_no_matrix_of_the_base_learns_and_every_norm_and_bias_does(anatomy_of, tiny_model, architecture):
    sizes = {name: parameter.ndim for name, parameter in tiny_model(architecture).named_parameters()}
    expected = {name for name, dimensions in sizes.items() if dimensions == 1}
    assert expected
    assert learning(anatomy_of(architecture)) == expected


def test_what_is_new_learns_whole(anatomy_of):
    new = {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert learning(anatomy_of("bert"), new) - learning(anatomy_of("bert")) == {
        "classifier.weight",
        "bert.pooler.dense.weight",
    }


def test_the_compute_by_hand(compiled):
    """Forward, and the gradient handed down; no matrix of the body has one of its own."""
    layer = 4 * 16 * 16 + 2 * 16 * 32
    plan = compiled("norms_and_biases")
    assert plan.trained_compute_per_token == 4 * (3 * layer + 16 * 16) + 6 * 16 * 3
    biases = 3 * (4 * 16 + 32 + 16 + 4 * 16) + 2 * 16 + 16
    assert plan.parameters_trainable == biases + 16 * 3 + 3
