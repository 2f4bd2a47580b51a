"""What became of each retraining, and why: a line of empty commits that git keeps beside the branches.

`git log refs/tritune/decisions` shows it; `git push origin refs/tritune/decisions` shares it. A tag for each
night would bury the versions among the tags.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tritune.pipeline.git import git, identity, try_git

REF = "refs/tritune/decisions"

Outcome = Literal["promoted", "kept out", "nothing new", "failed"]


@dataclass(frozen=True)
class Decision:
    """How a retraining ended."""

    outcome: Outcome
    reason: str
    """One sentence, without a full stop."""

    version: str = ""
    """Which version it is about; empty: none."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind it, fit for JSON."""

    date: datetime = field(default_factory=lambda: datetime.now(UTC))


def record(root: Path, decision: Decision) -> None:
    """Add a decision to the line.

    Raises:
        InputError: git cannot write it, or another process added one at the same moment.
    """
    before = try_git(root, "rev-parse", "--quiet", "--verify", REF)
    about = {"outcome": decision.outcome, "version": decision.version, "details": decision.details}
    reason = " ".join(decision.reason.split())  # an empty line would end the subject
    message = f"{decision.outcome}: {reason}\n\n{json.dumps(about, indent=2, sort_keys=True)}\n"
    environment = identity(root, seconds=int(decision.date.timestamp()))
    tree = git(root, "mktree")
    parents = ("-p", before) if before else ()
    commit = git(root, "commit-tree", "--no-gpg-sign", tree, *parents, stdin=message, environment=environment)
    git(root, "update-ref", REF, commit, before or "0" * 40)


def read_decisions(root: Path, *, most: int | None = None) -> list[Decision]:
    """Return the decisions, the latest first; none if there was no retraining yet.

    A commit on the line that holds no decision is passed over.
    """
    limit = () if most is None else (f"--max-count={most}",)
    listed = try_git(root, "log", "--format=%ct%x1f%s%x1f%b%x00", *limit, REF, "--")
    found = []
    for entry in (listed or "").split("\0"):
        if entry.strip():
            seconds, subject, body = entry.strip("\n").split("\x1f")
            if not (about := _about(body)):
                continue
            found.append(
                Decision(
                    outcome=about["outcome"],
                    reason=subject.removeprefix(f"{about['outcome']}: "),
                    version=about["version"],
                    details=about["details"],
                    date=datetime.fromtimestamp(int(seconds), UTC),
                )
            )
    return found


def _about(body: str) -> dict[str, Any]:
    """Return what a commit says about its decision; empty: it is none of ours."""
    try:
        about = json.loads(body)
    except json.JSONDecodeError:
        return {}
    return about if isinstance(about, dict) else {}
