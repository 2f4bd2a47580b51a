"""Two encoders as one encoder-decoder: each half keeps its weights, and what neither has is new."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from tritune.errors import InputError
from tritune.models.load import load_model
from tritune.models.pair import check_pair, write_pair

SOURCES = ("my/reader", "my/writer")


@pytest.fixture(scope="module")
def half(tmp_path_factory, tiny_base) -> Callable[..., Path]:
    """Return a function: (class name, seed, **changes) -> folder of a model with `tiny_base`'s tokenizer."""

    def build(name: str, *, seed: int = 1, **changes) -> Path:
        folder = tmp_path_factory.mktemp(name)
        model_class = getattr(transformers, name)
        sizes = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        sizes |= {"intermediate_size": 24, "max_position_embeddings": 40, "pad_token_id": 0}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model_class(model_class.config_class(**(sizes | changes))).save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tiny_base / file, folder / file)
        return folder

    return build


def paired(encoder: Path, decoder: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    write_pair(encoder, decoder, target, sources=SOURCES)
    return target


def loaded(folder: Path, seed: int = 3):
    return load_model(folder, objective="sequence_to_sequence", labels=[], seed=seed)


def kinds(names: list[str]) -> set[str]:
    """What the new tensors are: the cross-attention, or a part of the output layer."""
    return {"crossattention" if ".crossattention." in name else name.split(".", 2)[1] for name in names}


@pytest.mark.parametrize(
    ("encoder", "decoder", "body", "new"),
    [
        ("BertModel", "BertModel", "bert", {"crossattention", "cls"}),
        ("BertForMaskedLM", "BertForMaskedLM", "bert", {"crossattention"}),
        ("RobertaModel", "RobertaModel", "roberta", {"crossattention", "lm_head"}),
        ("RobertaModel", "RobertaForMaskedLM", "roberta", {"crossattention"}),
        ("BertForPreTraining", "RobertaModel", "roberta", {"crossattention", "lm_head"}),
    ],
)
def test_both_halves_keep_their_weights_and_the_rest_is_new(half, tmp_path, encoder, decoder, body, new):
    folders = half(encoder, seed=1), half(decoder, seed=2)
    model, found = loaded(paired(*folders, tmp_path / "base"))
    assert kinds([name for name in found if not name.startswith("encoder.pooler.")]) == new
    named = dict(model.named_parameters())
    for part, folder, prefix in (
        ("encoder", folders[0], "encoder."),
        ("decoder", folders[1], f"decoder.{body}."),
    ):
        own = {
            name.split(".", 1)[1] if name.split(".")[0] in {"bert", "roberta"} else name: tensor
            for name, tensor in load_file(folder / "model.safetensors").items()
        }
        kept = {name: tensor for name, tensor in own.items() if name.startswith(("embeddings.", "encoder."))}
        assert len(kept) > 30
        for name, tensor in kept.items():
            assert torch.equal(named[f"{prefix}{name}"], tensor), (part, name)


def test_norms_under_the_names_of_old_checkpoints_are_kept(half, tmp_path):
    folder = half("BertModel")
    weights = load_file(folder / "model.safetensors")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, tensor in weights.items():
        ending = ".".join(name.split(".")[-2:])
        renamed[name.removesuffix(ending) + old.get(ending, ending)] = tensor
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    _, new = loaded(paired(folder, folder, tmp_path / "base"))
    assert kinds(new) == {"crossattention", "cls"}


def test_the_decoder_writes_with_its_own_embeddings_and_new_tensors_come_from_the_seed(half, tmp_path):
    base = paired(half("BertModel"), half("BertModel"), tmp_path / "base")
    (model, new), (again, _), (other, _) = loaded(base), loaded(base), loaded(base, seed=4)
    assert model.get_output_embeddings().weight is model.decoder.get_input_embeddings().weight
    assert all(torch.equal(model.get_parameter(name), again.get_parameter(name)) for name in new)
    query = "decoder.bert.encoder.layer.0.crossattention.self.query.weight"
    assert not torch.equal(model.get_parameter(query), other.get_parameter(query))


def test_the_pair_learns_to_write_and_stops(half, tmp_path):
    base = paired(half("BertModel"), half("BertModel"), tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    model, _ = loaded(base)
    asked, wanted = (
        tokenizer(["rose soil"], return_tensors="pt"),
        tokenizer(["bread oven"], return_tensors="pt"),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model(**asked, labels=wanted["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    written = model.generate(input_ids=asked["input_ids"], max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == "bread oven"
    assert written[0, -1] == tokenizer.sep_token_id


def test_halves_of_different_widths_get_a_bridge(half, tmp_path):
    decoder = half("BertModel", hidden_size=8)
    _, new = loaded(paired(half("BertModel"), decoder, tmp_path / "base"))
    assert {"enc_to_dec_proj.bias", "enc_to_dec_proj.weight"} <= set(new)


def test_the_config_says_how_answers_begin_end_and_are_padded(half, tmp_path):
    base = paired(half("BertModel"), half("BertModel"), tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    assert config["model_type"] == "encoder-decoder"
    expected = {"decoder_start_token_id": 2, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    assert {key: config[key] for key in expected} == expected
    assert config["decoder"]["is_decoder"]
    assert config["decoder"]["add_cross_attention"]
    assert not config["encoder"]["is_decoder"]


def test_two_runs_write_the_same_bytes(half, tmp_path):
    folders = half("BertModel", seed=1), half("BertModel", seed=2)
    digests = [
        {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in paired(*folders, tmp_path / run).iterdir()
        }
        for run in ("one", "two")
    ]
    assert digests[0] == digests[1]
    assert sorted(digests[0]) == [
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    ]


def test_a_pair_that_lost_a_part_of_its_cross_attention_is_refused(half, tmp_path):
    base = paired(half("BertModel"), half("BertModel"), tmp_path / "base")
    model, _ = loaded(base)
    model.save_pretrained(base)
    lost = "decoder.bert.encoder.layer.0.crossattention.self.query.weight"
    weights = load_file(base / "model.safetensors")
    save_file({n: t for n, t in weights.items() if n != lost}, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=f"lack 1 tensors of the EncoderDecoderModel .*, {lost} among them"):
        loaded(base)


def test_a_pair_with_a_random_encoder_is_refused(half, tmp_path):
    base = paired(half("BertModel"), half("BertModel"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    kept = {
        name: tensor for name, tensor in weights.items() if not name.startswith("encoder.encoder.layer.1.")
    }
    save_file(kept, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="lack 16 tensors of the EncoderDecoderModel"):
        loaded(base)


@pytest.mark.parametrize(
    ("position", "key", "source"), [(0, "model.source", "my/reader"), (1, "model.decoder", "my/writer")]
)
def test_other_kinds_are_refused(half, position, key, source):
    folders = [half("BertModel"), half("BertModel")]
    folders[position] = half("ElectraModel")
    with pytest.raises(InputError) as caught:
        check_pair(*folders, sources=SOURCES)
    assert str(caught.value) == (
        f"{key}: {source}: a model of the type electra can't be one half of a pair, only bert, roberta, "
        "xlm-roberta, camembert can; leave model.decoder out and take an encoder-decoder such as T5 or BART"
    )


def test_different_vocabularies_are_refused(half, tmp_path):
    sentence = (
        "model.decoder: my/writer has another vocabulary than model.source: my/reader, and one tokenizer "
        "serves both; take two models with the same tokenizer, for example twice the same"
    )
    with pytest.raises(InputError) as caught:
        check_pair(half("BertModel"), half("BertModel", vocab_size=33), sources=SOURCES)
    assert str(caught.value) == sentence
    other = half("BertModel")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["rose"], vocabulary["soil"] = vocabulary["soil"], vocabulary["rose"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError) as caught:
        write_pair(half("BertModel"), other, tmp_path, sources=SOURCES)
    assert str(caught.value) == sentence


def test_a_tokenizer_that_does_not_say_how_texts_begin_is_refused(half, tmp_path):
    folder = half("BertModel")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["cls_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        write_pair(folder, folder, tmp_path, sources=SOURCES)
    assert str(caught.value) == (
        "model.source: my/reader: its tokenizer names no token that begins, ends or pads a text (cls_token, "
        "sep_token, pad_token), which a decoder needs; take a model with its whole tokenizer"
    )
