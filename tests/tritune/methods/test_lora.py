"""Which layers get adapters, what learns, and what it costs, by hand."""

import pytest
import transformers

from tritune.errors import InputError
from tritune.methods.lora import adapters
from tritune.plan.make import make_plan
from tritune.settings.method import LoraSettings

LAYER = 4 * 16 * 16 + 2 * 16 * 32
ADAPTERS = 2 * (4 * (16 + 16) + 2 * (16 + 32))
"""Weights of one BERT layer in products; of its adapters of rank 2."""


def learning(plan) -> set[str]:
    return {name for group in plan.groups if group.lr is not None for name in group.tensors}


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "t5"])
def test_adapters_and_the_new_head_learn_and_all_of_the_base_is_frozen(compiled, architecture):
    plan = compiled("lora", architecture=architecture, rank=2)
    assert learning(plan) == set(plan.new_tensors)
    assert sum(".lora_" in name for name in learning(plan)) == 2 * len(plan.adapters.modules)
    assert all(group.weight_decay for group in plan.groups if ".lora_" in group.tensors[0])


def test_an_output_matrix_that_was_pretrained_is_frozen(compiled):
    plan = compiled("lora", architecture="llama-lm", new_tensors=[], rank=2)
    assert all(".lora_" in name for name in learning(plan))
    assert plan.notes[0].startswith(
        "lr: auto gave 2.5e-03 from width 16, 3 of 3 layers learning, a head that"
    )


def test_the_compute_and_the_parameters_by_hand(compiled):
    plan = compiled("lora", rank=2)
    pooler, head = 16 * 16, 16 * 3
    adapters = 3 * ADAPTERS + 2 * (16 + 16)
    assert plan.parameters_trainable == adapters + head + 3
    assert plan.parameters_total == compiled("full").parameters_total + adapters
    assert plan.trained_compute_per_token == 4 * (3 * LAYER + pooler) + 6 * (adapters + head)


def test_patterns_choose_layers_and_the_rest_has_none(compiled):
    plan = compiled("lora", rank=2, modules=["*.query", "*.layer.2.attention.self.value"])
    assert plan.adapters.modules == (
        "bert.encoder.layer.0.attention.self.query",
        "bert.encoder.layer.1.attention.self.query",
        "bert.encoder.layer.2.attention.self.query",
        "bert.encoder.layer.2.attention.self.value",
    )
    assert (plan.adapters.rank, plan.adapters.alpha, plan.adapters.dropout) == (2, 16.0, 0.0)


def test_only_upper_layers_leave_the_lower_ones_as_cheap_as_frozen_ones(compiled):
    plan = compiled("lora", rank=2, modules=["*.layer.2.*"])
    low = sum(g.share_of_compute for g in plan.groups if g.name.partition("/")[0] == "layer.0")
    assert low * plan.trained_compute_per_token == pytest.approx(2 * LAYER)


def test_a_pattern_without_match_is_refused(compiled):
    with pytest.raises(InputError) as caught:
        compiled("lora", rank=2, modules=["*.LayerNorm"])
    assert str(caught.value).startswith(
        "method.lora.modules: the pattern '*.LayerNorm' matches no linear layer of the model; the closest "
        "names are "
    )


def test_a_rank_above_that_of_all_matrices_is_refused(compiled):
    with pytest.raises(InputError) as caught:
        compiled("lora", rank=17)
    assert str(caught.value) == (
        "method.lora.rank: no linear layer below the head has more than rank 16 itself (got 17); give 1 to 16"
    )


def esm() -> transformers.PreTrainedModel:
    """With a regression from 4 attention maps to 1 number beside its layers, which is no head of the task."""
    config = transformers.EsmConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
        mask_token_id=1,
    )
    return transformers.EsmForSequenceClassification(config)


def plan_of(model, **settings):
    new = [name for name, _ in model.named_parameters() if name.startswith("classifier")]
    return make_plan(model, LoraSettings(kind="lora", **settings), new_tensors=new, key="method.lora")


def test_layers_smaller_than_the_rank_are_left_out_where_none_is_named():
    modules = plan_of(esm()).adapters.modules
    assert len(modules) == 2 * 6
    assert "esm.contact_head.regression" not in modules
    assert "esm.contact_head.regression" in plan_of(esm(), rank=1).adapters.modules


def test_a_named_layer_smaller_than_the_rank_is_told_by_name():
    with pytest.raises(InputError) as caught:
        plan_of(esm(), modules=["*.query", "*.regression"])
    assert str(caught.value) == (
        "method.lora.rank: esm.contact_head.regression has rank 1 itself (got 8); give at most 1, or choose "
        "layers without it by method.lora.modules"
    )


@pytest.mark.parametrize("modules", ["auto", ["*"]])
def test_a_model_without_linear_layers_to_adapt_is_refused(tiny_model, anatomy_of, modules):
    model, anatomy = tiny_model("bert"), anatomy_of("bert")
    everything = [name for name, _ in model.named_parameters()]
    settings = LoraSettings(kind="lora", modules=modules)
    with pytest.raises(InputError) as caught:
        adapters(model, anatomy, settings, new_tensors=everything, key="method.lora")
    assert str(caught.value) == (
        "method.lora: the model has no pretrained linear layer below its head for adapters to stand beside; "
        "give another kind, such as full or partial"
    )
