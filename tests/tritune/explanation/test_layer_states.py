from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tritune.explanation.layer_states import _heights, layer_states, mean_of_row
from tritune.tokens import TokenTable


def table(rows: int, *, length: int = 5) -> TokenTable:
    tokens = np.random.default_rng(0).integers(5, 40, size=rows * length).astype(np.int32)
    return TokenTable(
        row_ids=pa.array([str(i) for i in range(rows)]),
        tokens=tokens,
        offsets=np.arange(0, rows * length + 1, length, dtype=np.int64),
        labels=np.zeros(rows, dtype=np.int32),
    )


def states(places: int) -> torch.Tensor:
    return torch.arange(places).float()[None, :, None].repeat(2, 1, 3)


def test_heights_that_are_padded_further_are_cut_and_shorter_ones_are_left_out():
    counted = torch.ones(2, 4, dtype=torch.bool)
    output = SimpleNamespace(hidden_states=(states(4), states(6), states(2)))
    found = {name: given for name, given, _ in _heights(output, counted, counted)}
    assert list(found) == ["embeddings", "layer.0"]
    assert torch.equal(found["layer.0"], states(4))


@pytest.mark.parametrize("architecture", ["llama_lm", "gpt2_lm"])
def test_of_a_model_that_writes_the_body_alone_is_run(architecture):
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 50, "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2}
    model = {
        "llama_lm": lambda: LlamaForCausalLM(LlamaConfig(**sizes, intermediate_size=32)),
        "gpt2_lm": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=50, n_layer=2, n_embd=16, n_head=2)),
    }[architecture]().eval()
    calls = []
    model.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    found = layer_states(model, table(3), np.arange(3), pick=mean_of_row, pad_token_id=0)
    assert list(found) == ["embeddings", "layer.0", "layer.1"]
    assert found["layer.1"].shape == (3, 16)
    assert calls == []
    with torch.inference_mode():
        rows = torch.from_numpy(table(3).tokens.reshape(3, 5)).long()
        whole = model(input_ids=rows, output_hidden_states=True).hidden_states
    assert torch.allclose(found["layer.0"], whole[1].mean(dim=1), atol=1e-6)
