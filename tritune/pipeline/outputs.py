"""Outputs appear whole or not at all: written aside, described, then moved into place."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tritune.errors import InputError

PROVENANCE = "provenance.json"
"""In an output folder: command, dependencies and parameters that made it, as in dvc.lock."""


def check_writable(outputs: Iterable[str], *, root: Path) -> None:
    """Find out by trying whether each output can be put in its place.

    Raises:
        InputError: A folder cannot be made or written to.
    """
    for folder in sorted({(root / output).parent for output in outputs}):
        existing = next(f for f in (folder, *folder.parents) if os.path.lexists(f))
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            shown = existing.relative_to(root) if existing.is_relative_to(root) else existing
            raise InputError(
                f"{shown}: cannot be written to ({error.strerror}), but the pipeline puts its results there; "
                "make it a folder that you may write to, or remove it"
            ) from None


def write_provenance(staged: Path, *, stage: str, recorded: Mapping[str, Any]) -> None:
    """Put into an output folder what made it. The bytes depend on the stage's inputs alone."""
    text = json.dumps({"stage": stage, **recorded}, indent=2, sort_keys=True, ensure_ascii=False)
    (staged / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def move_into_place(outputs: Iterable[str], *, staging: Path, root: Path) -> None:
    """Move each output from below `staging` to its path below `root`, replacing what is there.

    Raises:
        FileNotFoundError: One was not written; nothing is moved then.
    """
    outputs = list(outputs)
    missing = [output for output in outputs if not (staging / output).exists()]
    if missing:
        raise FileNotFoundError(f"the stage did not write {', '.join(missing)}, which dvc.yaml declares")
    for output in outputs:
        target = root / output
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        # A rename where both are on one disk, else a copy.
        shutil.move(staging / output, target)
