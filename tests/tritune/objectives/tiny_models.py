"""Random models of every family, small enough to be built in a test."""

import torch
from transformers import AutoModelForCausalLM as Causal
from transformers import AutoModelForSeq2SeqLM as Seq2Seq
from transformers import (
    BartConfig,
    BertConfig,
    CohereConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    PreTrainedModel,
    T5Config,
)

VOCABULARY = 37
SMALL = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
GATED = {**SMALL, "intermediate_size": 24, "num_key_value_heads": 2, "pad_token_id": 0, "eos_token_id": 1}
DECODERS = ("llama", "gpt2", "gemma2", "cohere", "granite")
ENCODER_DECODERS = ("t5", "bart", "bert2bert")


def tiny(kind: str, *, dropout: float = 0.0) -> PreTrainedModel:
    """Return a model without chance inside unless `dropout` is given, the same at every call."""
    torch.manual_seed(0)
    if kind == "llama":
        return Causal.from_config(LlamaConfig(**GATED, attention_dropout=dropout))
    if kind == "gpt2":
        drop = {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout}
        return Causal.from_config(
            GPT2Config(
                vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1, **drop
            )
        )
    if kind == "gemma2":
        return Causal.from_config(Gemma2Config(**GATED, head_dim=8, final_logit_softcapping=2.0))
    if kind == "cohere":
        return Causal.from_config(CohereConfig(**GATED, logit_scale=0.3))
    if kind == "granite":
        return Causal.from_config(GraniteConfig(**GATED, logits_scaling=3.0))
    if kind == "t5":
        return Seq2Seq.from_config(
            T5Config(
                vocab_size=VOCABULARY,
                d_model=16,
                d_kv=8,
                d_ff=24,
                num_layers=2,
                num_heads=2,
                dropout_rate=dropout,
                decoder_start_token_id=0,
            )
        )
    if kind == "bart":
        return Seq2Seq.from_config(
            BartConfig(
                vocab_size=VOCABULARY,
                d_model=16,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
                encoder_ffn_dim=24,
                decoder_ffn_dim=24,
                dropout=dropout,
                attention_dropout=dropout,
                pad_token_id=0,
                bos_token_id=2,
                eos_token_id=1,
                decoder_start_token_id=1,
                forced_eos_token_id=None,
            )
        )
    drop = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    bert = BertConfig(**SMALL, intermediate_size=24, pad_token_id=0, **drop)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(bert, BertConfig.from_dict(bert.to_dict()))
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 0, 1
    return EncoderDecoderModel(config=config)
