"""The files behind a registered version: what its stages wrote, from the work tree or DVC's stores."""

from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.git import file_contents
from tritune.pipeline.model_files import folder_of_output
from tritune.pipeline.registered_version import RegisteredVersion, locked_hash


def content_at(root: Path, version: RegisteredVersion, path: str) -> bytes:
    """Return a file of a version's commit, such as `dvc.lock`; empty where it has none."""
    name = f"{version.commit}:{path}"
    return file_contents(root, [name]).get(name, b"")


def output_of(root: Path, version: RegisteredVersion, path: str) -> Path:
    """Return a folder with what a stage wrote when the version was made. The work tree is not touched.

    Args:
        path: Of an output that is a folder, such as `data/ingested`.

    Raises:
        InputError: The version has no such output, or its files are in no place that DVC knows.
    """
    content = locked_hash(content_at(root, version, "dvc.lock"), output=path)
    if not content:
        raise InputError(f"{version.version}: its dvc.lock has no {path}; it was made by another pipeline")
    return folder_of_output(
        root, output=path, content=content, commit=version.commit, version=version.version
    )
