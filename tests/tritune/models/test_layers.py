import copy
import re

import pytest
from torch import nn

from tritune.errors import InputError
from tritune.models.layers import take_apart

ENCODER = ["embeddings", "layer.0", "layer.1", "layer.2"]
PARTS = {
    "bert": [*ENCODER, "final", "head"],
    "roberta": [*ENCODER, "head"],
    "distilbert": [*ENCODER, "head"],
    "albert": ["embeddings", "layer.0", "final", "head"],
    "deberta-v2": [*ENCODER, "head"],
    "modernbert": [*ENCODER, "final", "head"],
    "electra": [*ENCODER, "head"],
    "gpt2": [*ENCODER, "final", "head"],
    "llama": [*ENCODER, "final", "head"],
    "t5": [
        *("embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.final"),
        *("decoder.layer.0", "decoder.layer.1", "decoder.layer.2", "decoder.final", "head"),
    ],
    "bart": [
        *("embeddings", "encoder.layer.0", "encoder.layer.1", "decoder.embeddings"),
        *("decoder.layer.0", "decoder.layer.1", "decoder.layer.2", "head"),
    ],
    "gpt2-lm": [*ENCODER, "final"],
}
"""Bottom to top. `final` is a pooler (BERT, ALBERT) or the norm above the layers."""
PARTS["llama-lm"] = PARTS["qwen2-lm"] = PARTS["llama"]
PARTS["opt-lm"] = [*ENCODER, "final"]
PARTS["t5-lm"], PARTS["bart-lm"] = PARTS["t5"][:-1], PARTS["bart"][:-1]
PARTS["pair"] = [
    *("embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.final", "decoder.embeddings"),
    *("decoder.layer.0", "decoder.layer.1", "decoder.layer.2", "head"),
]


def names(part) -> list[str]:
    return [tensor.name for tensor in part.tensors]


def part_of(anatomy, name: str) -> str:
    return next(part.name for part in anatomy.parts if name in names(part))


def test_every_tiny_model_has_its_parts_written_down(architectures):
    assert sorted(PARTS) == sorted(architectures)


@pytest.mark.parametrize("architecture", PARTS)
def test_the_parts_come_bottom_to_top(anatomy_of, architecture):
    assert [part.name for part in anatomy_of(architecture).parts] == PARTS[architecture]


@pytest.mark.parametrize("architecture", PARTS)
def test_every_tensor_is_in_exactly_one_part(tiny_model, anatomy_of, architecture):
    anatomy, model = anatomy_of(architecture), tiny_model(architecture)
    assert sorted(tensor.name for tensor in anatomy.tensors) == sorted(dict(model.named_parameters()))
    assert list(anatomy.order) == [name for name, _ in model.named_parameters()]
    assert sum(tensor.parameters for tensor in anatomy.tensors) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("architecture", PARTS)
def test_each_layer_holds_the_tensors_that_carry_its_number(anatomy_of, architecture):
    for part in anatomy_of(architecture).layers:
        number = part.name.rpartition(".")[2]
        assert {re.findall(r"\.(\d+)\.", name)[0] for name in names(part)} == {number}
        stack = part.name.partition(".")[0]
        if stack != "layer":
            assert all(stack in name.split(".") for name in names(part))


@pytest.mark.parametrize("architecture", PARTS)
def test_weight_decay_is_for_matrices_and_not_for_norms_and_biases(anatomy_of, architecture):
    for tensor in anatomy_of(architecture).tensors:
        norm_or_bias = tensor.name.endswith(".bias") or re.search(r"norm|ln_", tensor.name.lower())
        assert tensor.decays == (not norm_or_bias), tensor.name


@pytest.mark.parametrize("architecture", PARTS)
def test_the_width_is_that_of_the_hidden_states(anatomy_of, architecture):
    assert anatomy_of(architecture).width == 16


@pytest.mark.parametrize(
    ("architecture", "name", "part"),
    [
        ("albert", "albert.encoder.embedding_hidden_mapping_in.weight", "embeddings"),
        ("electra", "electra.embeddings_project.weight", "embeddings"),
        ("deberta-v2", "deberta.encoder.rel_embeddings.weight", "embeddings"),
        ("deberta-v2", "deberta.encoder.LayerNorm.weight", "embeddings"),
        ("deberta-v2", "pooler.dense.weight", "head"),
        ("bert", "bert.pooler.dense.weight", "final"),
        ("distilbert", "pre_classifier.weight", "head"),
        ("modernbert", "head.norm.weight", "head"),
        ("modernbert", "model.final_norm.weight", "final"),
        ("gpt2", "transformer.ln_f.bias", "final"),
        ("t5", "transformer.shared.weight", "embeddings"),
        ("t5", "transformer.encoder.final_layer_norm.weight", "encoder.final"),
        ("bart", "model.encoder.layernorm_embedding.weight", "embeddings"),
        ("bart", "model.decoder.embed_positions.weight", "decoder.embeddings"),
        ("bart", "model.decoder.layernorm_embedding.bias", "decoder.embeddings"),
    ],
)
def test_a_tensor_beside_the_layers_is_where_the_data_pass_it(anatomy_of, architecture, name, part):
    assert part_of(anatomy_of(architecture), name) == part


@pytest.mark.parametrize(
    ("architecture", "tied"), [("gpt2-lm", "transformer.wte.weight"), ("t5-lm", "shared.weight")]
)
def test_a_tied_weight_is_one_tensor(tiny_model, anatomy_of, architecture, tied):
    model = tiny_model(architecture)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    found = [tensor.name for tensor in anatomy_of(architecture).tensors]
    assert found.count(tied) == 1
    assert "lm_head.weight" not in found


def test_an_output_layer_of_its_own_is_the_head(anatomy_of):
    assert part_of(anatomy_of("gpt2-lm", tie_word_embeddings=False), "lm_head.weight") == "head"


def test_an_output_layer_beside_encoder_and_decoder_is_the_head_above_both(tiny_model):
    model = copy.deepcopy(tiny_model("t5-lm"))
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    assert take_apart(model).parts[-1].role == "head"
    assert names(take_apart(model).parts[-1]) == ["lm_head.weight"]
    assert not any(tensor.tied_to_output for tensor in take_apart(model).tensors)


@pytest.mark.parametrize(
    ("architecture", "changes", "tied"),
    [
        ("gpt2-lm", {}, ["transformer.wte.weight"]),
        ("llama-lm", {}, []),
        ("llama-lm", {"tie_word_embeddings": True}, ["model.embed_tokens.weight"]),
        ("qwen2-lm", {"tie_word_embeddings": True}, ["model.embed_tokens.weight"]),
        ("opt-lm", {}, ["model.decoder.embed_tokens.weight"]),
        ("t5-lm", {}, ["shared.weight"]),
        ("bart-lm", {}, ["model.shared.weight"]),
        ("bart-lm", {"tie_word_embeddings": False}, []),
        ("pair", {}, ["decoder.bert.embeddings.word_embeddings.weight"]),
        ("gpt2", {}, []),
        ("bert", {}, []),
    ],
)
def test_an_embedding_that_is_the_output_matrix_counts_as_a_product(anatomy_of, architecture, changes, tied):
    found = [tensor for tensor in anatomy_of(architecture, **changes).tensors if tensor.tied_to_output]
    assert [tensor.name for tensor in found] == tied
    assert all(tensor.matmul_parameters == tensor.parameters == 50 * 16 for tensor in found)


@pytest.mark.parametrize("architecture", ["t5-lm", "bart-lm", "pair"])
def test_cross_attention_belongs_to_its_layer_of_the_decoder(anatomy_of, architecture):
    for part in anatomy_of(architecture).parts:
        cross = [n for n in names(part) if re.search(r"EncDecAttention|encoder_attn|crossattention", n)]
        assert bool(cross) == (part.role == "layer" and part.name.startswith("decoder."))


def test_what_the_output_of_a_pair_needs_besides_the_embeddings_is_the_head(anatomy_of):
    head = anatomy_of("pair").parts[-1]
    assert {name.rpartition(".")[0] for name in names(head)} == {
        *("decoder.cls.predictions", "decoder.cls.predictions.transform.dense"),
        "decoder.cls.predictions.transform.LayerNorm",
    }


def test_a_bridge_between_halves_of_different_widths_is_below_the_decoder():
    from transformers import BertConfig, EncoderDecoderConfig, EncoderDecoderModel

    sizes = {"vocab_size": 20, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    halves = [BertConfig(hidden_size=width, **sizes) for width in (8, 16)]
    model = EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(*halves))
    assert part_of(take_apart(model), "enc_to_dec_proj.weight") == "decoder.embeddings"


class Strange(nn.Module):
    """What `take_apart` needs of a model, under names that no library uses."""

    base_model_prefix = "rumpf"

    def __init__(self) -> None:
        super().__init__()
        self.rumpf = nn.Module()
        self.rumpf.woerter = nn.Embedding(10, 4)
        self.rumpf.stockwerke = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2)
        )
        self.rumpf.dach = nn.LayerNorm(4)
        self.urteil = nn.Linear(4, 2)
        self.config = type("Config", (), {"hidden_size": 4, "get_text_config": lambda self: self})()

    @property
    def base_model(self) -> nn.Module:
        return self.rumpf


def test_layers_are_found_without_a_table_of_names():
    anatomy = take_apart(Strange())
    assert {part.name: names(part) for part in anatomy.parts} == {
        "embeddings": ["rumpf.woerter.weight"],
        "layer.0": [f"rumpf.stockwerke.0.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")],
        "layer.1": [f"rumpf.stockwerke.1.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")],
        "final": ["rumpf.dach.weight", "rumpf.dach.bias"],
        "head": ["urteil.weight", "urteil.bias"],
    }


def test_a_model_without_a_list_of_layers_is_refused():
    model = Strange()
    del model.rumpf.stockwerke
    sentence = "Strange can't be taken apart: no list of layers is found among its modules; take another"
    with pytest.raises(InputError, match=sentence):
        take_apart(model)


def test_matrix_products_are_counted_and_look_ups_and_norms_are_not(anatomy_of):
    by_name = {tensor.name: tensor.matmul_parameters for tensor in anatomy_of("bert").tensors}
    assert by_name["bert.embeddings.word_embeddings.weight"] == 0
    assert by_name["bert.encoder.layer.1.attention.self.query.weight"] == 16 * 16
    assert by_name["bert.encoder.layer.1.attention.self.query.bias"] == 0
    assert by_name["bert.encoder.layer.1.output.LayerNorm.weight"] == 0
    assert by_name["bert.encoder.layer.1.intermediate.dense.weight"] == 16 * 32
    assert by_name["classifier.weight"] == 3 * 16


@pytest.mark.parametrize("runs", [3, 5])
def test_a_shared_layer_counts_as_often_as_it_runs(anatomy_of, runs):
    anatomy = anatomy_of("albert", num_hidden_layers=runs)
    counts = {tensor.name: tensor.matmul_parameters for tensor in anatomy.tensors}
    block = "albert.encoder.albert_layer_groups.0.albert_layers.0"
    assert counts[f"{block}.ffn.weight"] == runs * 16 * 32
    assert counts["albert.encoder.embedding_hidden_mapping_in.weight"] == 8 * 16
    assert [part.runs for part in anatomy.parts] == [1, runs, 1, 1]


@pytest.mark.parametrize("decoder_layers", [1, 3])
def test_a_short_decoder_does_not_run_more_often_than_a_long_encoder(anatomy_of, decoder_layers):
    anatomy = anatomy_of("bart", encoder_layers=6, decoder_layers=decoder_layers)
    assert {part.runs for part in anatomy.parts} == {1}


def test_lists_beside_each_other_are_the_same_layers():
    """As in XLM: attentions in one list, norms in the next, feed-forwards in a third."""
    model = Strange()
    model.rumpf.normen = nn.ModuleList(nn.LayerNorm(4) for _ in range(2))
    anatomy = take_apart(model)
    assert [part.name for part in anatomy.parts] == ["embeddings", "layer.0", "layer.1", "final", "head"]
    assert part_of(anatomy, "rumpf.normen.1.weight") == "layer.1"


def test_a_norm_registered_before_the_layers_is_above_them_unless_it_is_the_embeddings():
    """As in T5Gemma."""
    model = Strange()
    layers = model.rumpf.stockwerke
    del model.rumpf.stockwerke
    model.rumpf.norm = nn.LayerNorm(4)
    model.rumpf.embeddings = nn.ModuleDict({"norm": nn.LayerNorm(4)})
    model.rumpf.stockwerke = layers
    assert part_of(take_apart(model), "rumpf.norm.weight") == "final"
    assert part_of(take_apart(model), "rumpf.embeddings.norm.weight") == "embeddings"


def test_layers_of_several_kinds_are_one_stack():
    model = Strange()
    model.rumpf.stockwerke.append(nn.TransformerEncoderLayer(4, nhead=1, dim_feedforward=4))
    assert [part.name for part in take_apart(model).layers] == ["layer.0", "layer.1", "layer.2"]


def test_a_model_without_weights_has_the_same_anatomy(tiny_model, anatomy_of):
    import torch

    model = tiny_model("deberta-v2")
    with torch.device("meta"):
        empty = type(model)(model.config)
    assert take_apart(empty) == anatomy_of("deberta-v2")
