"""Sizes of tiny models of many kinds, as their configs call them."""

LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
}
BERT = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
ELECTRA = {**BERT, "embedding_size": 16}
DISTILBERT = {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64}
DEBERTA_V2 = {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 32}
GEMMA3 = {**LLAMA, "head_dim": 16}
