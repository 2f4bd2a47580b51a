"""What a commit says about an output, and the output itself from DVC's cache or remote."""

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritune.pipeline.git import contents, prefix
from tritune.pipeline.opening import open_repository


def recorded_hash(lock: bytes | None, output: str) -> str | None:
    """Return the hash that the text of a dvc.lock gives to an output, or None when it has no such output."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe").load(io.BytesIO(lock)) if lock else {}
    for stage in (content or {}).get("stages", {}).values():
        for out in stage.get("outs", []):
            if out["path"] == output:
                return str(out["md5"])
    return None


def hash_at(root: Path, commit: str, output: str) -> str | None:
    """Return the hash of an output in a commit's dvc.lock."""
    return recorded_hash(contents(root, [f"{commit}:{prefix(root)}dvc.lock"])[0], output)


def json_at(root: Path, commit: str, path: str) -> Mapping[str, Any]:
    """Return a JSON file as a commit has it; empty when it is not there or is something else."""
    text = contents(root, [f"{commit}:{prefix(root)}{path}"])[0]
    with contextlib.suppress(ValueError):
        content = json.loads(text or b"{}")
        if isinstance(content, Mapping):
            return content
    return {}


def file_hash_at(root: Path, commit: str, path: str) -> str | None:
    """Return the hash of one file in an output as a commit has it. None: neither cache nor remote has it."""
    from dvc.exceptions import DvcException

    with open_repository(root) as repo:
        try:
            with repo.switch(commit):
                found = repo.dvcfs.info(path).get("md5")
        except (DvcException, OSError):
            return None
    return str(found) if found else None


def holds(root: Path, output: str, content: str) -> bool:
    """Tell whether an output in the work tree has the given hash."""
    with open_repository(root) as repo, repo.lock:
        for stage in repo.index.stages:
            for out in stage.outs:
                if out.def_path == output:
                    return bool(out.exists) and out.get_hash().value == content
    return False


def fetch_output(root: Path, commit: str, output: str, *, target: Path) -> None:
    """Put an output as it was at a commit at `target`, whole or not at all. It may be there already.

    Raises:
        LookupError: Neither DVC's cache nor a remote has all of it; says what DVC said.
    """
    from dvc.exceptions import DvcException

    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unfinished-"))
    try:
        with open_repository(root) as repo:
            try:
                with repo.switch(commit):
                    repo.dvcfs.get(output, str(aside / "output"), recursive=True)
            except (DvcException, OSError) as error:
                raise LookupError(" ".join(str(error).split())) from error
        try:
            (aside / "output").rename(target)
        except OSError:
            # Another process may have been faster; its copy is the same.
            if not target.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
