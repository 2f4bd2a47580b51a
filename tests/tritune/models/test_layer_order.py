"""The order of the parts, held to the order in which the modules run."""

from typing import Any

import pytest
import torch
import transformers

from tritune.models.layers import take_apart

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT = {**SIZES, "intermediate_size": 24, "max_position_embeddings": 40}
DEBERTA = {**BERT, "relative_attention": True, "norm_rel_ebd": "layer_norm", "position_buckets": 8}
DEBERTA |= {"pos_att_type": ["p2c", "c2p"], "share_att_key": True}
DISTILBERT = {"vocab_size": 50, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24}
GPT2 = {"vocab_size": 50, "n_embd": 16, "n_layer": 3, "n_head": 2}
T5 = {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 2}
T5 |= {"num_heads": 2, "pad_token_id": 0, "decoder_start_token_id": 0}
BART = {"vocab_size": 50, "d_model": 16, "encoder_layers": 3, "decoder_layers": 2, "encoder_ffn_dim": 24}
BART |= {"decoder_ffn_dim": 24, "encoder_attention_heads": 2, "decoder_attention_heads": 2}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", BERT),
    "roberta": ("Roberta", BERT),
    "distilbert": ("DistilBert", DISTILBERT),
    "albert": ("Albert", {**BERT, "embedding_size": 8}),
    "deberta-v2": ("DebertaV2", DEBERTA),
    "deberta-v2 with a convolution": ("DebertaV2", {**DEBERTA, "conv_kernel_size": 3, "conv_act": "gelu"}),
    "modernbert": ("ModernBert", {**BERT, "pad_token_id": 0}),
    "electra": ("Electra", {**BERT, "embedding_size": 8}),
    "mpnet": ("MPNet", BERT),
    "gpt2": ("GPT2", GPT2),
    "llama": ("Llama", {**BERT, "num_key_value_heads": 1}),
    "opt": ("OPT", {**SIZES, "ffn_dim": 24, "word_embed_proj_dim": 8}),
    "xlm": ("XLM", {"vocab_size": 50, "emb_dim": 16, "n_layers": 3, "n_heads": 2}),
    "t5": ("T5", T5),
    "bart": ("Bart", BART),
}


def build(name: str) -> Any:
    prefix, sizes = ARCHITECTURES[name]
    config = getattr(transformers, f"{prefix}Config")(**sizes, num_labels=3)
    return getattr(transformers, f"{prefix}ForSequenceClassification")(config).eval()


def part_of(model: Any) -> dict[str, str]:
    return {tensor.name: part.name for part in take_apart(model).parts for tensor in part.tensors}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_module_runs_after_all_those_of_the_parts_below_it(name):
    model = build(name)
    height = {t.name: h for h, part in enumerate(take_apart(model).parts) for t in part.tensors}
    called: list[int] = []
    for path, module in model.named_modules():
        own = [height[n] for k, _ in module.named_parameters(recurse=False) if (n := f"{path}.{k}") in height]
        if own:
            module.register_forward_pre_hook(lambda *_, highest=own[-1]: called.append(highest))
    ids = torch.tensor([[3, 4, 5, 2]])
    options = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    assert called
    assert called == sorted(called)


def test_a_table_of_positions_that_all_layers_use_is_below_them():
    assert part_of(build("mpnet"))["mpnet.encoder.relative_attention_bias.weight"] == "embeddings"


def test_a_convolution_beside_the_layers_belongs_to_the_lowest_one():
    parts = part_of(build("deberta-v2 with a convolution"))
    assert {part for name, part in parts.items() if ".conv." in name} == {"layer.0"}


def test_a_final_norm_is_above_the_layers_although_registered_before_them():
    parts = part_of(build("opt"))
    assert parts["model.decoder.final_layer_norm.weight"] == "final"
    assert parts["model.decoder.project_out.weight"] == "final"
    assert parts["model.decoder.project_in.weight"] == "embeddings"
