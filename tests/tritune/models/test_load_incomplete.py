"""A base whose body would be random, or whose config is unusable, is refused before any training."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    FunnelConfig,
    FunnelModel,
    LlamaConfig,
    LlamaModel,
)

from tritune.errors import InputError
from tritune.models.load import empty_model, load_model

BERT = BertConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=20,
)
LABELS = ["a", "b"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    BertModel(BERT).save_pretrained(tmp_path)
    return tmp_path


def set_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def drop(folder: Path, lost: Callable[[str], bool]) -> None:
    path = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if not lost(name)}
    save_file(kept, path, metadata={"format": "pt"})


def refusals(folder: Path) -> list[str]:
    """What loading and planning say: the same."""
    sentences = []
    with pytest.raises(InputError) as caught:
        load_model(folder, objective="single_label", labels=LABELS, seed=1)
    sentences.append(str(caught.value))
    with pytest.raises(InputError) as caught:
        empty_model(folder, objective="single_label", labels=LABELS)
    sentences.append(str(caught.value))
    return sentences


@pytest.mark.parametrize(
    ("damage", "count", "first"),
    [
        (
            lambda folder: drop(folder, lambda name: "encoder.layer.1." in name),
            16,
            "bert.encoder.layer.1.attention.output.LayerNorm.bias",
        ),
        (
            lambda folder: drop(folder, lambda name: "word_embeddings" in name),
            1,
            "bert.embeddings.word_embeddings.weight",
        ),
        (lambda folder: set_config(folder, vocab_size=41), 1, "bert.embeddings.word_embeddings.weight"),
        (
            lambda folder: set_config(folder, num_hidden_layers=3),
            16,
            "bert.encoder.layer.2.attention.output.LayerNorm.bias",
        ),
        (
            lambda folder: drop(folder, lambda name: name == "pooler.dense.bias"),
            1,
            "bert.pooler.dense.bias",
        ),
    ],
    ids=["a layer", "embeddings", "another vocabulary", "more layers", "half a pooler"],
)
def test_weights_that_leave_the_body_random_are_refused(base, damage, count, first):
    damage(base)
    expected = (
        f"the weights in {base} lack {count} tensors of the BertModel that its config.json describes, or "
        f"have them in another shape, {first} among them; take config.json and weights from the same model, "
        "with all its files"
    )
    assert refusals(base) == [expected, expected]


def test_the_weights_of_another_architecture_are_refused(base):
    set_config(base, model_type="distilbert")
    for sentence in refusals(base):
        assert re.search(r"lack \d+ tensors of the DistilBertModel that its config.json describes", sentence)


def test_a_decoder_without_its_final_norm_is_refused(tmp_path):
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=24,
    )
    LlamaModel(config).save_pretrained(tmp_path)
    drop(tmp_path, lambda name: name == "norm.weight")
    for sentence in refusals(tmp_path):
        assert "lack 1 tensors of the LlamaModel" in sentence
        assert "model.norm.weight among them" in sentence


def test_a_model_pretrained_without_a_pooler_gets_a_new_one(tmp_path):
    with torch.random.fork_rng():
        BertForMaskedLM(BERT).save_pretrained(tmp_path)
    new = ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"]
    assert load_model(tmp_path, objective="single_label", labels=LABELS, seed=1)[1] == new
    assert empty_model(tmp_path, objective="single_label", labels=LABELS)[1] == new


def test_a_config_without_an_end_token_still_loads(tmp_path):
    config = FunnelConfig(vocab_size=40, block_sizes=[1, 1], d_model=16, n_head=2, d_head=8, d_inner=24)
    FunnelModel(config).save_pretrained(tmp_path)
    loaded, planned = (
        load_model(tmp_path, objective="single_label", labels=LABELS, seed=1),
        empty_model(tmp_path, objective="single_label", labels=LABELS),
    )
    assert loaded[1] == planned[1]
    assert all(name.startswith("classifier.") for name in loaded[1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"num_attention_heads": 3},
            "The hidden size (16) is not a multiple of the number of attention heads",
        ),
        ({"hidden_size": "wide"}, "'hidden_size' expected int, got str (value: 'wide')"),
        ({"model_type": "no such type"}, "has model type `no such type` but Transformers does not recognize"),
    ],
)
def test_a_config_that_describes_no_model_is_refused(base, changes, reason):
    set_config(base, **changes)
    for sentence in refusals(base):
        assert sentence.startswith(f"{base}/config.json describes no model that transformers can build: ")
        assert sentence.endswith("; take the config.json that the model was published with")
        assert reason in sentence
        assert "\n" not in sentence
