"""After `tritune predict --output`: which version answered which file is written down, for lineage."""

from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.predictions import Prediction, record, sha256_of
from tritune.pipeline.registered_version import MODEL, RegisteredVersion, locked_hash
from tritune.pipeline.registry import find, versions


def remember(root: Path, reference: str | None, *, source: Path | None, target: Path, rows: int) -> None:
    """Write down that a file was answered; nothing where the model is not a registered version.

    Args:
        root: The project.
        reference: Version or stage that the user named; None: the model as it lies in the project.
        source: What was answered; None: stdin.
        target: The file with the answers.
        rows: How many were answered.

    Raises:
        InputError: git cannot write it.
    """
    version = _named(root, reference) if reference is not None else _lying_here(root)
    if version is None:
        return
    record(
        root,
        Prediction(
            version=version.version,
            model=version.content,
            output=target.name,
            output_sha256=sha256_of(target),
            input=source.name if source is not None else "",
            input_sha256=sha256_of(source) if source is not None else "",
            rows=rows,
        ),
    )


def _named(root: Path, reference: str) -> RegisteredVersion:
    _, event = find(root, reference)
    return next(one for one in versions(root) if one.version == event.version)


def _lying_here(root: Path) -> RegisteredVersion | None:
    """Return the version that the model in the project is; None: it is none, or there is no registry."""
    lock = root / "dvc.lock"
    content = locked_hash(lock.read_bytes(), output=MODEL) if lock.is_file() else ""
    try:
        known = versions(root) if content else []
    except InputError:
        return None  # no git: the answers are there all the same
    return next((one for one in known if one.content == content), None)
