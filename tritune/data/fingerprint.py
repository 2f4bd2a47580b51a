"""Did the user's own data change since they were fetched? Cheap enough to ask at every start."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tritune.address import HUB, PACKAGE, hub_address, on_disk, remote_hint
from tritune.data.files import KEY, conversation_files, split_files
from tritune.errors import InputError

RECORD = "source.json"
"""File in `data/raw` that says which file became what; it holds no path and no date."""


def source_record(source: str, *, root: Path) -> dict[str, Any]:
    """Return what `data/raw/source.json` holds: each source file's name, content hash and raw file.

    Empty for a hub data set, which is pinned to a commit.

    Raises:
        InputError: The source is not there or is ambiguous.
    """
    files = {}
    for file, becomes in source_files(source, root=root):
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        files[file.name] = {"becomes": becomes, "bytes": file.stat().st_size, "sha256": digest}
    return {"files": files}


def source_files(source: str, *, root: Path) -> list[tuple[Path, str]]:
    """Return each file of a local or packaged source, and the raw file it becomes; no file for the hub.

    Fast, and reads a file's beginning at most: fit for a check before anything runs.

    Raises:
        InputError: The source is malformed, not there, ambiguous, or in a folder that the pipeline writes.
    """
    if source.startswith(HUB):
        hub_address(source, key=KEY, with_config=True)
        return []
    path = on_disk(source, root=root, key=KEY)
    if conversations := conversation_files(path):
        return [(file, "train.jsonl") for file in conversations]
    splits = split_files(path, source=source, hint=remote_hint(source))
    return [(file, f"{split}{file.suffix.lower()}") for split, file in splits.items()]


def source_changed(source: str, raw: Path, *, root: Path) -> bool:
    """Tell whether a local or packaged source's files differ from those that `raw` was made of.

    Compares names and sizes first, then SHA-256 of the content (about 1 s a gigabyte); modification
    times are not trusted. False where there is nothing to compare: nothing was fetched yet, the source
    is gone (what was fetched is what counts from then on), or it is on the hub, at a commit.
    A source that became unusable counts as changed, so that `fetch` runs and says why.
    """
    try:
        recorded: dict[str, Any] = json.loads((raw / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False  # DVC brings `raw` back or makes it anew; then ask again
    if source.startswith(HUB):
        return False
    try:
        if not on_disk(source, root=root, key=KEY).exists():
            return False
    except InputError:
        return not source.startswith(PACKAGE)
    try:
        files = source_files(source, root=root)
        now = {
            file.name: {
                "becomes": becomes,
                "bytes": file.stat().st_size,
                "sha256": recorded[file.name]["sha256"],
            }
            for file, becomes in files
            if file.name in recorded
        }
        if len(now) != len(files) or now != recorded:
            return True
        return bool(source_record(source, root=root)["files"] != recorded)
    except InputError:
        return True
