"""Which version answered which file: a line of commits, `git log refs/tritune/predictions`.

What a version was made from is known by its commit; this is the way on from it.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tritune.pipeline.commit_line import Entry, add_entry, read_entries
from tritune.pipeline.git import common_folder
from tritune.pipeline.locks import alone

REF = "refs/tritune/predictions"

SECONDS_FOR_ANOTHER = 60.0
"""How long another process may take to write its own entry."""


@dataclass(frozen=True)
class Prediction:
    """A file of answers."""

    version: str
    model: str
    """DVC's hash of the model."""

    output: str
    output_sha256: str
    input: str
    """Name of the file that was answered; empty: it came through stdin."""

    input_sha256: str
    rows: int
    date: datetime = field(default_factory=lambda: datetime.now(UTC))


def record(root: Path, prediction: Prediction) -> None:
    """Add a prediction to the line.

    Raises:
        InputError: git cannot write it.
    """
    about = {name: value for name, value in asdict(prediction).items() if name != "date"}
    given = prediction.input or "stdin"
    subject = f"{prediction.version} answered {prediction.rows} rows of {given} into {prediction.output}"
    with alone(
        common_folder(root) / "tritune-predictions.lock",
        wait_seconds=SECONDS_FOR_ANOTHER,
        otherwise=lambda process: (
            f"another process ({process}) is writing down what it predicted; wait for it, then try again"
        ),
    ):
        add_entry(root, REF, Entry(subject, about, prediction.date))


def read_predictions(root: Path, version: str) -> list[Prediction]:
    """Return what was predicted with a version, the latest first."""
    return [
        Prediction(**entry.about, date=entry.date)
        for entry in read_entries(root, REF)
        if entry.about["version"] == version
    ]


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
