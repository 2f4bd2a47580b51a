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


LANGUAGE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "llama": ("LlamaForCausalLM", {**BERT, "num_key_value_heads": 1}),
    "qwen2": ("Qwen2ForCausalLM", {**BERT, "num_key_value_heads": 1}),
    "opt": ("OPTForCausalLM", {**SIZES, "ffn_dim": 24, "word_embed_proj_dim": 8}),
    "t5": ("T5ForConditionalGeneration", T5),
    "mt5": ("MT5ForConditionalGeneration", T5),
    "bart": ("BartForConditionalGeneration", BART),
    "mbart": ("MBartForConditionalGeneration", BART),
}


def writing(name: str, **changes: Any) -> Any:
    class_name, sizes = LANGUAGE_MODELS[name]
    model_class = getattr(transformers, class_name)
    return model_class(model_class.config_class(**sizes, **changes)).eval()


def pair() -> Any:
    halves = [
        transformers.BertConfig(**{**BERT, "hidden_size": width, "intermediate_size": 24})
        for width in (16, 8)
    ]
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*halves)
    return transformers.EncoderDecoderModel(config).eval()


def part_of(model: Any) -> dict[str, str]:
    return {tensor.name: part.name for part in take_apart(model).parts for tensor in part.tensors}


def heights_called(model: Any, body: Any, **options: Any) -> list[int]:
    """Return the height of the highest tensor of each module that runs, in the order in which they run.

    An embedding that is also the output matrix runs twice, and is left out.
    """
    anatomy = take_apart(model)
    height = {t.name: h for h, part in enumerate(anatomy.parts) for t in part.tensors if not t.tied_to_output}
    called: list[int] = []
    for path, module in model.named_modules():
        own = [height[n] for k, _ in module.named_parameters(recurse=False) if (n := f"{path}.{k}") in height]
        if own:
            module.register_forward_pre_hook(lambda *_, highest=own[-1]: called.append(highest))
    ids = torch.tensor([[3, 4, 5, 2]])
    if model.config.is_encoder_decoder:
        options["decoder_input_ids"] = ids
    with torch.no_grad():
        body(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    assert called
    return called


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_module_runs_after_all_those_of_the_parts_below_it(name):
    model = build(name)
    called = heights_called(model, model.base_model)
    assert called == sorted(called)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_what_writes_text_runs_from_its_lowest_part_to_its_head(name, tied):
    model = writing(name, tie_word_embeddings=tied)
    called = heights_called(model, model)
    assert called == sorted(called)


def test_a_pair_runs_its_encoder_then_its_bridge_then_its_decoder():
    model = pair()
    # The bridge is one part with the decoder's embeddings, and the encoder's pooler runs for nothing.
    called = heights_called(model, model)
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
