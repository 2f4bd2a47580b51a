"""A DVC repository opened for reading, and DVC's own complaints as sentences with a next move."""

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.lock_file import quicken_reading

_MARKER = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)


@contextlib.contextmanager
def open_repository(root: Path) -> Iterator[Any]:
    """Open the repository for as long as the block takes; its lock is waited for, however long.

    dvc.lock is rewritten in place: read it only under `repo.lock`.

    Raises:
        InputError: No git or DVC repository, or a file of the pipeline that DVC cannot use.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    quicken_reading()
    logging.getLogger("dvc").setLevel(logging.ERROR)
    # DVC draws its bars unless this logger is silent; they would run through ours.
    logging.getLogger("dvc.progress").setLevel(logging.CRITICAL)
    try:
        with Repo(str(root), _wait_for_lock=True) as repo:
            if Path(repo.root_dir) != root.resolve():
                check_dvc_folder(root)
            _ = repo.scm
            yield repo
    except LockError:
        raise
    except DvcException as error:
        raise InputError(_sentence(error, root)) from None


def check_dvc_folder(root: Path) -> None:
    """Find out whether DVC can work here, without making its folder by accident.

    Raises:
        InputError: There is no .dvc folder.
    """
    if not (root / ".dvc").is_dir():
        raise InputError(_no_dvc(root))


def _sentence(error: Exception, root: Path) -> str:
    from dvc.config import ConfigError
    from dvc.dependency.param import MissingParamsError, MissingParamsFile
    from dvc.exceptions import NotDvcRepoError
    from dvc.scm import SCMError
    from dvc.utils.serialize import EncodingError, YAMLFileCorruptedError
    from dvc.utils.strictyaml import YAMLValidationError

    if isinstance(error, NotDvcRepoError):
        return _no_dvc(root)
    if isinstance(error, SCMError):
        return (
            f"{root} is not a git repository, which DVC and the model registry need; clone the project with "
            "git, or run `git init` here"
        )
    broken = isinstance(error, YAMLValidationError | YAMLFileCorruptedError | EncodingError)
    for name in ("dvc.lock", "dvc.yaml", "params.yaml", "versions.yaml"):
        if broken and (root / name).is_file() and name in str(error):
            return _broken_file(root / name, error)
    text = _innermost(error)
    if isinstance(error, MissingParamsFile | MissingParamsError) and "versions.yaml" in text:
        return "versions.yaml is missing or incomplete; write it with `python -m tritune.versions`"
    if isinstance(error, ConfigError):
        return f"DVC cannot use its settings: {text}; mend .dvc/config or .dvc/config.local"
    return f"DVC cannot read the pipeline: {text}; mend dvc.yaml or params.yaml"


def _no_dvc(root: Path) -> str:
    return (
        f"{root} is not a DVC repository (it has no .dvc folder); clone the project with git, or run "
        "`dvc init` here"
    )


def _broken_file(path: Path, error: Exception) -> str:
    text = path.read_bytes().decode("utf-8", errors="replace")
    if marker := _MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        found = f"{path.name}, line {line}: an unresolved merge conflict"
    else:
        found = f"{path.name} is damaged: {_innermost(error)}"
    if path.name == "dvc.lock":
        return (
            f"{found}; take one side with `git checkout --ours dvc.lock` (or --theirs), or delete the file: "
            "results that were made here before come back from DVC's cache"
        )
    return f"{found}; mend the file, or take the committed one with `git checkout {path.name}`"


def _innermost(error: BaseException) -> str:
    from ruamel.yaml.error import MarkedYAMLError

    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split()).rstrip(".")
