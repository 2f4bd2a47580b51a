"""Adapters begin as nothing, do what the paper says, and leave a plain model behind."""

import copy
from pathlib import Path

import pytest
import torch
import transformers

from tritune.models.adapters import adaptable_modules, add_adapters, merge_adapters, with_adapters
from tritune.models.layers import take_apart
from tritune.models.load import load_model
from tritune.plan.tuning_plan import Adapters

ARCHITECTURES = ["bert", "albert", "gpt2", "llama", "llama-lm", "t5", "t5-lm", "bart", "opt-lm", "pair"]
IDS = torch.tensor([[5, 9, 11, 2, 1], [7, 3, 20, 2, 1]])
"""The last two end a text: T5's classifier reads at the one, BART's at the other."""


def adapted(tiny_model, architecture: str):
    """A copy of a tiny model in evaluation mode, and what is put into it."""
    net = copy.deepcopy(tiny_model(architecture, pad_token_id=0)).eval()
    adapters = Adapters(2, 6.0, 0.0, adaptable_modules(net, take_apart(net), new=()))
    torch.manual_seed(3)
    return net, adapters


def asked(net) -> torch.Tensor:
    writes = net.config.is_encoder_decoder and "Classification" not in type(net).__name__
    more = {"decoder_input_ids": IDS} if writes else {}
    with torch.no_grad():
        return net(input_ids=IDS, **more).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_begins_as_its_base_learns_beside_it_and_is_plain_again_after(tiny_model, architecture):
    net, adapters = adapted(tiny_model, architecture)
    names, kind, before = [n for n, _ in net.named_parameters()], type(net), asked(net)
    added = add_adapters(net, adapters)
    assert len(added) == 2 * len(adapters.modules)
    assert torch.equal(asked(net), before)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.1)
    learnt = asked(net)
    assert not torch.allclose(learnt, before, atol=1e-4)
    merge_adapters(net)
    assert [n for n, _ in net.named_parameters()] == names
    assert type(net) is kind
    torch.testing.assert_close(asked(net), learnt, rtol=1e-4, atol=1e-5)
    assert not any("lora" in type(module).__module__ for module in net.modules())
    assert not hasattr(net, "peft_config")


def test_an_adapter_adds_its_product_times_alpha_by_rank(tiny_model):
    net, adapters = adapted(tiny_model, "gpt2")
    add_adapters(net, adapters)
    tensors = dict(net.named_parameters())
    path = "transformer.h.1.attn.c_attn"
    down, up = (tensors[f"{path}.lora_{side}.default.weight"] for side in "AB")
    torch.nn.init.normal_(up)
    x = torch.randn(3, 16)
    # GPT-2 keeps its matrices the other way round.
    expected = x @ tensors[f"{path}.base_layer.weight"] + tensors[f"{path}.base_layer.bias"]
    expected = expected + 6.0 / 2 * (x @ down.T @ up.T)
    torch.testing.assert_close(net.get_submodule(path)(x), expected)


def test_merging_what_has_none_changes_nothing(tiny_model):
    net = copy.deepcopy(tiny_model("bert"))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    merge_adapters(net)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_a_merged_model_is_saved_and_loaded_as_any_other(tiny_model, tmp_path: Path):
    net, adapters = adapted(tiny_model, "bert")
    add_adapters(net, adapters)
    torch.nn.init.normal_(dict(net.named_parameters())["bert.pooler.dense.lora_B.default.weight"])
    merge_adapters(net)
    net.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(asked(loaded), asked(net))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_adapter_is_in_the_part_of_its_layer_and_nothing_else_moves(tiny_model, architecture):
    net, adapters = adapted(tiny_model, architecture)
    plain = take_apart(net)
    add_adapters(net, adapters)
    found = with_adapters(plain, net)
    assert (
        sorted(t.name for t in found.tensors)
        == sorted(found.order)
        == sorted(n for n, _ in net.named_parameters())
    )
    sizes = {name: parameter.numel() for name, parameter in net.named_parameters()}
    assert {t.name: t.parameters for t in found.tensors} == sizes
    for before, after in zip(plain.parts, found.parts, strict=True):
        kept = [t for t in after.tensors if ".lora_" not in t.name]
        assert [t.name.replace(".base_layer.", ".") for t in kept] == [t.name for t in before.tensors]
        paths = {t.name.removesuffix(".weight") for t in before.tensors}
        assert {t.name.partition(".lora_")[0] for t in after.tensors if t not in kept} <= paths


def test_layers_of_a_head_and_new_ones_get_none(tiny_model):
    net = tiny_model("bert")
    names = adaptable_modules(net, take_apart(net), new=["bert.pooler.dense.weight"])
    assert len(names) == 3 * 6
    assert all(name.startswith("bert.encoder.layer.") for name in names)
    language = tiny_model("llama-lm")
    assert "lm_head" not in adaptable_modules(language, take_apart(language), new=())


def test_other_layers_than_the_models_are_a_programming_error(tiny_model):
    net, _ = adapted(tiny_model, "bert")
    missing = Adapters(
        2, 4.0, 0.0, ("bert.encoder.layer.0.output.dense", "bert.encoder.layer.9.output.dense")
    )
    with pytest.raises(ValueError, match=r"other layers than the plan's: .*layer\.9"):
        add_adapters(net, missing)


def test_the_seed_draws_the_same_head_with_and_without_and_the_adapters_after_it(tiny_base: Path):
    options = {"objective": "single_label", "labels": ["a", "b"]}
    plain, new = load_model(tiny_base, **options, seed=4)
    adapters = Adapters(2, 4.0, 0.0, adaptable_modules(plain, take_apart(plain), new=new))
    state = torch.get_rng_state()
    one, names = load_model(tiny_base, **options, seed=4, adapters=adapters)
    assert torch.equal(torch.get_rng_state(), state)
    same, _ = load_model(tiny_base, **options, seed=4, adapters=adapters)
    other, _ = load_model(tiny_base, **options, seed=5, adapters=adapters)
    assert set(new) < set(names)
    assert len(names) == len(new) + 2 * len(adapters.modules)
    assert torch.equal(one.classifier.weight, plain.classifier.weight)
    first = names[-2]
    assert torch.equal(one.get_parameter(first), same.get_parameter(first))
    drawn = "bert.encoder.layer.0.output.dense.lora_A.default.weight"
    assert not torch.equal(one.get_parameter(drawn), other.get_parameter(drawn))
