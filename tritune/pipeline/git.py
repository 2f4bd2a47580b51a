"""git's plumbing, run so that nothing of the user's set-up gets in the way: no hook, no signature."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritune.errors import InputError

NAME, EMAIL = "tritune", "tritune@localhost"
"""Who signs where the user has not told git a name."""

_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "gc.auto=0",
)
# A hook of the user's that calls us has set these for its own repository and index.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


def git(
    root: Path,
    *arguments: str,
    stdin: str | bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what a git command prints, without the last newline.

    Raises:
        InputError: git is missing, or the command failed; with git's own words.
    """
    done = _run(root, arguments, stdin=stdin, environment=environment)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", errors="replace").strip()
        raise InputError(f"git {arguments[0]} failed in {root}: {said or f'exit code {done.returncode}'}")
    return _text(done)


def try_git(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return what a git command prints, or None when it fails."""
    done = _run(root, arguments, stdin=b"", environment=environment)
    return _text(done) if done.returncode == 0 else None


def remove_tree(root: Path, tree: Path) -> None:
    """Remove a work tree, whole or half made, and what git knows of it; where there is none, nothing."""
    # The folder first: git refuses one that it did not finish, and forgets one that is not there.
    shutil.rmtree(tree, ignore_errors=True)
    try_git(root, "worktree", "remove", "--force", "--force", str(tree))


def head_commit(root: Path) -> str | None:
    """Return the commit that is checked out, or None in a repository without any."""
    return try_git(root, "rev-parse", "--quiet", "--verify", "HEAD^{commit}")


def common_folder(root: Path) -> Path:
    """Return the `.git` folder, the same one for all work trees of a repository.

    Raises:
        InputError: `root` is not the top of a git repository.
    """
    if (prefix := try_git(root, "rev-parse", "--show-prefix")) is None:
        said = _run(root, ["rev-parse", "--show-prefix"], stdin=b"", environment=None).stderr.decode().strip()
        raise InputError(f"{root} is not a git repository, which the model registry needs; git says: {said}")
    if prefix:
        top = git(root, "rev-parse", "--show-toplevel")
        raise InputError(
            f"{root} lies inside the git repository {top}, but the registry's tags belong to a whole "
            "repository; give the project a git repository of its own"
        )
    return (root / git(root, "rev-parse", "--git-common-dir")).resolve()


def identity(root: Path, *, seconds: int | None = None) -> dict[str, str]:
    """Return the environment that lets git sign: empty where author and committer are configured.

    Args:
        seconds: Since 1970: the date to sign with, where now will not do.
    """
    chosen = {}
    for role in ("AUTHOR", "COMMITTER"):
        # Without this setting git makes up an address from the machine's name, or fails at the worst time.
        if try_git(root, "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT") is None:
            chosen[f"GIT_{role}_NAME"] = (
                os.environ.get(f"GIT_{role}_NAME") or try_git(root, "config", "user.name") or NAME
            )
            chosen[f"GIT_{role}_EMAIL"] = (
                os.environ.get(f"GIT_{role}_EMAIL") or try_git(root, "config", "user.email") or EMAIL
            )
        if seconds is not None:
            chosen[f"GIT_{role}_DATE"] = f"@{seconds} +0000"
    return chosen


def file_contents(root: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of each `COMMIT:PATH` that exists, in one git process."""
    done = _run(
        root,
        ["cat-file", "--batch"],
        stdin="".join(f"{name}\n" for name in names).encode(),
        environment=None,
    )
    found, rest = {}, done.stdout
    for name in names:
        header, _, rest = rest.partition(b"\n")
        words = header.split()
        if len(words) == 3 and words[2].isdigit():
            size = int(words[2])
            if words[1] == b"blob":
                found[name] = rest[:size]
            rest = rest[size + 1 :]
    return found


def _run(
    root: Path,
    arguments: Sequence[str],
    *,
    stdin: str | bytes,
    environment: Mapping[str, str] | None,
) -> subprocess.CompletedProcess[bytes]:
    settings = [word for setting in _QUIET for word in ("-c", setting)]
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    try:
        return subprocess.run(
            ["git", "-C", str(root), *settings, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env={**inherited, "LC_ALL": "C", **(environment or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed; the model registry keeps its versions as git tags") from None


def _text(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode("utf-8", errors="surrogateescape").removesuffix("\n")
