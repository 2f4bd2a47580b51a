"""After `tritune predict --output`: which version answered which file is written down, for lineage."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.model_files import is_in_work_tree
from tritune.pipeline.predictions import Prediction, record, sha256_of
from tritune.pipeline.registered_version import MODEL, RegisteredVersion, locked_hash
from tritune.pipeline.registry import find, versions


@dataclass(frozen=True)
class Answering:
    """Which version is about to answer which file."""

    version: str
    model: str
    """DVC's hash of the model."""

    input: str
    """Name of the file; empty: stdin."""

    input_sha256: str


def answering_version(root: Path, reference: str | None, *, source: Path | None) -> Answering | None:
    """Return the version that a name means now; None: the model is not a registered version.

    Args:
        root: The project.
        reference: Version or stage that the user named; None: the model as it lies in the project.
        source: What it will answer; None: stdin.

    Raises:
        InputError: There is no such version.
    """
    version = _named(root, reference) if reference is not None else _lying_here(root)
    if version is None:
        return None
    is_file = source is not None and source.is_file()
    return Answering(
        version=version.version,
        model=version.content,
        input=source.name if source is not None else "",
        input_sha256=sha256_of(source) if source is not None and is_file else "",
    )


def remember(root: Path, answering: Answering, *, target: Path, rows: int) -> None:
    """Write down that a file was answered; where that can't be, say so: the answers are there all the same.

    Args:
        root: The project.
        answering: By which version.
        target: The file with the answers.
        rows: How many were answered.
    """
    try:
        record(
            root,
            Prediction(
                version=answering.version,
                model=answering.model,
                output=target.name,
                output_sha256=sha256_of(target),
                input=answering.input,
                input_sha256=answering.input_sha256,
                rows=rows,
            ),
        )
    except (InputError, OSError) as error:
        print(
            f"warning: {target.name} is complete, but that {answering.version} answered it could not be "
            f"written down for `tritune lineage`: {error}",
            file=sys.stderr,
        )


def _named(root: Path, reference: str) -> RegisteredVersion:
    _, event = find(root, reference)
    return next(one for one in versions(root) if one.version == event.version)


def _lying_here(root: Path) -> RegisteredVersion | None:
    """Return the version that the model in the project is; None: it is none, or there is no registry."""
    lock = root / "dvc.lock"
    try:
        content = locked_hash(lock.read_bytes(), output=MODEL) if lock.is_file() else ""
        known = [one for one in (versions(root) if content else []) if one.content == content]
        # dvc.lock may be another commit's: what counts is the files that answer.
        return known[0] if known and is_in_work_tree(root, output=MODEL, content=content) else None
    except InputError:
        return None  # no git: the answers are there all the same
