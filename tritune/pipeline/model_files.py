"""A folder with the model of some commit: the one in the work tree if it is that, else from DVC's stores."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import alone
from tritune.pipeline.opening import open_repository

SECONDS_FOR_ANOTHER = 600.0
"""How long another process may take to fetch the same model."""


def folder_of_output(root: Path, *, output: str, content: str, commit: str, version: str) -> Path:
    """Return a folder that holds a DVC output as it was at a commit. The work tree is not touched.

    Args:
        output: Its path in the project.
        content: Its hash in dvc.lock at that commit.
        version: What to call it.

    Raises:
        InputError: Its files are in no place that DVC knows, or they are damaged.
    """
    target = root / WORK / "registry" / f"{version}-{content[:8]}"
    # It appeared by a rename, after its hash was checked.
    if target.is_dir():
        return target
    with open_repository(root) as repo:
        if _is_in_work_tree(repo, root / output, content):
            return root / output
        with alone(
            target.with_suffix(".lock"),
            wait_seconds=SECONDS_FOR_ANOTHER,
            otherwise=lambda process: f"another process ({process}) is fetching {version}; wait until it has",
        ):
            if not target.is_dir():
                fetch(repo, target, content=content, commit=commit, version=version)
    return target


def is_in_work_tree(root: Path, *, output: str, content: str) -> bool:
    """Tell whether a DVC output lies in the project as dvc.lock says, with that hash.

    Raises:
        InputError: DVC cannot read the project.
    """
    with open_repository(root) as repo:
        return _is_in_work_tree(repo, root / output, content)


def _is_in_work_tree(repo: Any, path: Path, content: str) -> bool:
    with repo.lock:
        outs = [out for out in repo.index.outs if out.fs_path == str(path.resolve())]
        return bool(
            outs
            and outs[0].hash_info
            and outs[0].hash_info.value == content
            and outs[0].exists
            and not outs[0].changed_checksum()
        )


def fetch(repo: Any, target: Path, *, content: str, commit: str, version: str, part: str = "") -> None:
    """Put a DVC output where nothing is yet, from DVC's cache or remote; its hash is checked.

    Args:
        repo: Whose cache and remote to ask.
        target: The folder or file to make.
        content: Its hash in dvc.lock.
        commit: Where that was, for the advice in an error.
        version: Of the model; what an error calls it.
        part: What of the version it is, where it is not the model.

    Raises:
        InputError: Its files are in no place that DVC knows, or they are damaged.
    """
    from dvc_objects.errors import ObjectFormatError

    called = f"{part} of {version}" if part else version
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    try:
        with _speaking_of(repo, called, version), contextlib.suppress(ObjectFormatError):
            _copy_from_cache(repo, content, partial)
        if not partial.exists() or _hash(repo, partial) != content:
            raise InputError(
                f"the files of {called} that DVC gave are not those that were registered (its cache or "
                f"remote is damaged); {_make_again(repo, commit)}"
            )
        partial.replace(target)
    finally:
        _remove(partial)


def read_cached(repo: Any, content: str, name: str) -> bytes | None:
    """Return a file of a folder that DVC's cache holds, or None where it has not got it.

    Args:
        content: The folder's hash in dvc.lock.
        name: The file's path in it.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    cache = repo.cache.local
    try:
        listing = Tree.load(cache, HashInfo("md5", content))
        files = {"/".join(key): file.value for key, _, file in listing}
        return Path(cache.oid_to_path(files[name])).read_bytes()
    except (FileNotFoundError, KeyError, ObjectFormatError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _speaking_of(repo: Any, called: str, version: str) -> Iterator[None]:
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexError
    from dvc_objects.fs.errors import AuthError, ConfigError

    try:
        yield
    except (DvcException, DataIndexError, AuthError, ConfigError, FileNotFoundError) as error:
        remote = repo.config["core"].get("remote")
        if remote:
            instead = (
                f"and the remote {remote} did not give them ({' '.join(str(error).split())}); where they "
                f"were made, check out {version} and push them with `dvc push`"
            )
        else:
            instead = (
                "and no remote is set to take them from; set the one they were pushed to with "
                "`dvc remote add --default NAME URL`"
            )
        raise InputError(f"the files of {called} are not in DVC's cache here, {instead}") from None


def _copy_from_cache(repo: Any, content: str, target: Path) -> None:
    """Write a folder or a file from DVC's cache; what the cache lacks comes from the remote first.

    The remote is the one that is set now. DVC's own way to read a revision takes that revision's settings,
    and a remote is often set up only when there is something to share.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    cache, wanted = repo.cache.local, HashInfo("md5", content)
    if not cache.exists(content):
        repo.cloud.pull([wanted])
    target.parent.mkdir(parents=True, exist_ok=True)
    if not wanted.isdir:
        shutil.copyfile(cache.get(content).path, target)
        return
    files = {key: file for key, _, file in Tree.load(cache, wanted)}
    target.mkdir(exist_ok=True)
    if missing := [file for file in files.values() if not cache.exists(file.value)]:
        repo.cloud.pull(missing)
    for key, file in files.items():
        path = target.joinpath(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never a link: whoever changes the copy must not change the cache.
        shutil.copyfile(cache.get(file.value).path, path)


def _hash(repo: Any, path: Path) -> str:
    from dvc.fs import localfs
    from dvc_data.hashfile.build import build

    _, _, built = build(repo.cache.local, str(path), localfs, "md5", dry_run=True)
    return str(built.hash_info.value)


def _make_again(repo: Any, commit: str) -> str:
    cache = repo.cache.local_cache_dir
    return (
        "remove what `tritune doctor --full` names, then make it again into the same cache: "
        f"`git worktree add ../remake {commit[:10]}`, and there `dvc cache dir --local '{cache}'` and "
        "`dvc repro`"
    )
