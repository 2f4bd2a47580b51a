"""A line of empty commits that git keeps beside the branches: entries are added to it, and none is changed.

`git log REF` shows it, `git push origin REF` shares it. Tags would bury the versions among them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tritune.pipeline.git import git, identity, try_git


@dataclass(frozen=True)
class Entry:
    """One commit of a line."""

    subject: str
    about: Mapping[str, Any]
    date: datetime


def add_entry(root: Path, ref: str, entry: Entry) -> None:
    """Add an entry; of its subject all white space becomes single spaces, since an empty line would end it.

    Args:
        ref: The line, such as `refs/tritune/decisions`.

    Raises:
        InputError: git cannot write it, or another process added one at the same moment.
    """
    before = try_git(root, "rev-parse", "--quiet", "--verify", ref)
    subject = " ".join(entry.subject.split())
    message = f"{subject}\n\n{json.dumps(entry.about, indent=2, sort_keys=True)}\n"
    environment = identity(root, seconds=int(entry.date.timestamp()))
    tree = git(root, "mktree")
    parents = ("-p", before) if before else ()
    commit = git(root, "commit-tree", "--no-gpg-sign", tree, *parents, stdin=message, environment=environment)
    git(root, "update-ref", ref, commit, before or "0" * 40)


def read_entries(root: Path, ref: str, *, most: int | None = None) -> list[Entry]:
    """Return the entries of a line, the latest first; none where there is no such line.

    A commit that holds no entry is passed over.
    """
    limit = () if most is None else (f"--max-count={most}",)
    listed = try_git(root, "log", "--format=%ct%x1f%s%x1f%b%x00", *limit, ref, "--")
    found = []
    for text in (listed or "").split("\0"):
        if text.strip():
            seconds, subject, body = text.strip("\n").split("\x1f")
            if about := _about(body):
                found.append(Entry(subject, about, datetime.fromtimestamp(int(seconds), UTC)))
    return found


def _about(body: str) -> dict[str, Any]:
    """Return what a commit says beside its subject; empty: it is none of ours."""
    try:
        about = json.loads(body)
    except json.JSONDecodeError:
        return {}
    return about if isinstance(about, dict) else {}
