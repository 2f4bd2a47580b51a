"""What the hub can answer, by the real client against a server of the test's own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.tritune.models.safetensors_files import weights

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
