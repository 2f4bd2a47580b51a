"""Tiny random models of many architectures, built in code; none has seen a text."""

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import pytest

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 32, "max_position_embeddings": 32}
T5 = {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_decoder_layers": 3}
T5 |= {"num_heads": 2, "pad_token_id": 0, "decoder_start_token_id": 0}
BART = {"vocab_size": 50, "d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 32}
BART |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
BART |= {"max_position_embeddings": 32}
GPT2 = {"vocab_size": 50, "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 32}
DISTILBERT = {"vocab_size": 50, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
DEBERTA = {"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm"}
DEBERTA |= {"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}

OPT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
OPT |= {"ffn_dim": 32, "word_embed_proj_dim": 16, "max_position_embeddings": 32}
BERT = {**SMALL, "model_type": "bert"}
PAIR = {"encoder": {**BERT, "num_hidden_layers": 2}, "pad_token_id": 0, "decoder_start_token_id": 2}
PAIR |= {"decoder": {**BERT, "is_decoder": True, "add_cross_attention": True}}

RECIPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertConfig", "BertForSequenceClassification", SMALL),
    "roberta": ("RobertaConfig", "RobertaForSequenceClassification", SMALL),
    "distilbert": ("DistilBertConfig", "DistilBertForSequenceClassification", DISTILBERT),
    "albert": ("AlbertConfig", "AlbertForSequenceClassification", {**SMALL, "embedding_size": 8}),
    "deberta-v2": ("DebertaV2Config", "DebertaV2ForSequenceClassification", {**SMALL, **DEBERTA}),
    "modernbert": ("ModernBertConfig", "ModernBertForSequenceClassification", {**SMALL, "pad_token_id": 0}),
    "electra": ("ElectraConfig", "ElectraForSequenceClassification", {**SMALL, "embedding_size": 8}),
    "gpt2": ("GPT2Config", "GPT2ForSequenceClassification", GPT2),
    "llama": ("LlamaConfig", "LlamaForSequenceClassification", {**SMALL, "num_key_value_heads": 1}),
    "t5": ("T5Config", "T5ForSequenceClassification", T5),
    "bart": ("BartConfig", "BartForSequenceClassification", BART),
    "gpt2-lm": ("GPT2Config", "GPT2LMHeadModel", GPT2),
    "llama-lm": ("LlamaConfig", "LlamaForCausalLM", {**SMALL, "num_key_value_heads": 1}),
    "qwen2-lm": ("Qwen2Config", "Qwen2ForCausalLM", {**SMALL, "num_key_value_heads": 1}),
    "opt-lm": ("OPTConfig", "OPTForCausalLM", OPT),
    "t5-lm": ("T5Config", "T5ForConditionalGeneration", T5),
    "bart-lm": ("BartConfig", "BartForConditionalGeneration", BART),
    "pair": ("EncoderDecoderConfig", "EncoderDecoderModel", PAIR),
}


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., Any]:
    """Return a function: (architecture, labels=3, **changes to the config) -> a random model.

    Models are shared between tests: read them, don't change them.
    """

    @cache
    def build(architecture: str, *, labels: int = 3, **changes: Any) -> Any:
        import torch
        import transformers

        config_class, model_class, sizes = RECIPES[architecture]
        config = getattr(transformers, config_class)(**{**sizes, **changes}, num_labels=labels)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return getattr(transformers, model_class)(config)

    return build


@pytest.fixture(scope="session")
def architectures() -> list[str]:
    """The names that `tiny_model` knows."""
    return list(RECIPES)


@pytest.fixture(scope="session")
def anatomy_of(tiny_model: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function: as `tiny_model`, but the model taken apart."""

    @cache
    def build(architecture: str, **changes: Any) -> Any:
        from tritune.models.layers import take_apart

        return take_apart(tiny_model(architecture, **changes))

    return build


@pytest.fixture(scope="session")
def compiled(tiny_model: Callable[..., Any], anatomy_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function: (kind, architecture="bert", new_tensors=its classifier, **settings) -> the plan."""

    def build(
        kind: str, *, architecture: str = "bert", new_tensors: Collection[str] | None = None, **more: Any
    ) -> Any:
        from pydantic import TypeAdapter

        from tritune.plan.make import make_plan
        from tritune.settings.method import MethodSettings

        settings = TypeAdapter(MethodSettings).validate_python({"kind": kind, **more})
        if new_tensors is None:
            parts = anatomy_of(architecture).parts
            new_tensors = [t.name for part in parts if part.role == "head" for t in part.tensors]
        key = f"method.{kind}"
        return make_plan(tiny_model(architecture), settings, new_tensors=new_tensors, key=key)

    return build
