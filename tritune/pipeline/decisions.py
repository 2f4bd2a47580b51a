"""What became of each retraining, and why: a line of commits, `git log refs/tritune/decisions`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tritune.pipeline.commit_line import Entry, add_entry, read_entries

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
    about = {"outcome": decision.outcome, "version": decision.version, "details": decision.details}
    add_entry(root, REF, Entry(f"{decision.outcome}: {decision.reason}", about, decision.date))


def read_decisions(root: Path, *, most: int | None = None) -> list[Decision]:
    """Return the decisions, the latest first; none if there was no retraining yet."""
    return [
        Decision(
            outcome=entry.about["outcome"],
            reason=entry.subject.removeprefix(f"{entry.about['outcome']}: "),
            version=entry.about["version"],
            details=entry.about["details"],
            date=entry.date,
        )
        for entry in read_entries(root, REF, most=most)
    ]
