"""What a project holds that nothing needs any more: results, entries, scratch and objects of DVC's cache.

Needed is what dvc.yaml's stages read or write now, what git holds, what somebody changed since, and of DVC's
cache what the work tree, HEAD, any branch, tag, stash or DVC experiment names: every registered version is a
tag. Each is reckoned anew at the moment of removal. While the repository has another work tree, whose
dvc.lock may name what no commit does, the cache stays.
"""

import contextlib
import io
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tritune.errors import InputError
from tritune.pipeline.dag import read_stages, stages_of
from tritune.pipeline.disk import size_of
from tritune.pipeline.git import git, head_commit, remove_tree, try_git
from tritune.pipeline.guard import WORK
from tritune.pipeline.lock_file import changed_lock
from tritune.pipeline.machine import MEASUREMENTS
from tritune.pipeline.opening import open_repository
from tritune.pipeline.rebuild import leftover_trees
from tritune.pipeline.snapshot import locked_stages
from tritune.pipeline.work_tree import SCRATCH, TREE

Kind = Literal["result", "lock entry", "measurement", "scratch", "memo", "work tree", "cache"]


@dataclass(frozen=True)
class Leftover:
    """One thing that can go."""

    kind: Kind
    what: str
    """A path in the project, a stage's name, or for the cache how many objects."""

    size: int
    """In bytes."""


@dataclass(frozen=True)
class Leftovers:
    """All that can go, and what was left out of account."""

    found: tuple[Leftover, ...]
    note: str = ""
    """Why DVC's cache stays as it is; empty: it does not."""


def find_leftovers(root: Path) -> Leftovers:
    """Return what nothing needs. Removes nothing. No run and no retraining may be going on.

    Raises:
        InputError: The pipeline cannot be read, another DVC process works on it, or a branch or tag names a
            folder that the cache lacks, so that nobody knows which files belong to it.
    """
    stages = read_stages(root)
    names = {stage.name for stage in stages}
    stale = {stage.name for stage in stages if stage.stale}
    with open_repository(root) as repo, repo.lock:
        loaded = stages_of(repo)
        outputs = _paths(root, repo.index.outs)
        of_many = _paths(root, (out for stage in loaded if "@" in stage.name for out in stage.outs))
        inputs = _paths(root, (dep for stage in repo.index.stages for dep in stage.deps))
        lock = root / "dvc.lock"
        entries = locked_stages(lock.read_bytes()) if lock.is_file() else {}
        unnamed = {name: entry for name, entry in entries.items() if name not in names}
        once = {
            Path(out["path"]): out.get("md5") for entry in unnamed.values() for out in entry.get("outs", [])
        }
        once = {path: content for path, content in once.items() if (root / path).exists()}
        needed = outputs | {path for path in inputs if not _holds(path, outputs)}
        changed = {path for path in once.keys() - needed if _content(repo, root / path) != once[path]}
        cache, note = _unneeded_objects(repo, root)
    found_here = once.keys() | set(_strangers(root, of_many, outputs))
    results = {one for one in found_here if not _overlaps(one, needed | changed) and not _in_git(root, one)}
    # Without the entry nobody could tell any more that they were changed.
    kept = {
        name for name, entry in unnamed.items() if changed & {Path(o["path"]) for o in entry.get("outs", [])}
    }
    found = [
        *(_at(root, "result", path) for path in sorted(results)),
        *(Leftover("lock entry", name, 0) for name in unnamed if name not in kept),
        *(
            _at(root, "measurement", path.relative_to(root))
            for path in sorted((root / MEASUREMENTS).glob("*.json"))
            if path.stem not in names
        ),
        *(_at(root, kind, path.relative_to(root)) for kind, path in _scratch(root, names, stale)),
        *(_at(root, "work tree", tree.relative_to(root.resolve())) for tree in leftover_trees(root)),
        *([_at(root, "work tree", TREE)] if (root / TREE).exists() else []),
        *cache,
    ]
    return Leftovers(tuple(found), note)


def remove_leftovers(root: Path, leftovers: Leftovers) -> None:
    """Remove what `find_leftovers` found. Stopped midway, it can be called again."""
    for leftover in leftovers.found:
        if leftover.kind == "work tree":
            remove_tree(root, root / leftover.what)
        elif leftover.kind not in {"lock entry", "cache"}:
            path = root / leftover.what
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    with open_repository(root) as repo:
        if unnamed := [one.what for one in leftovers.found if one.kind == "lock entry"]:
            with repo.lock, changed_lock(root / "dvc.lock") as lock:
                for name in unnamed:
                    lock["stages"].pop(name, None)
        if any(one.kind == "cache" for one in leftovers.found):
            with repo.lock:
                _remove_objects(repo, root)


def _paths(root: Path, items: Iterable[Any]) -> set[Path]:
    """Return where dependencies or outputs lie, of those that lie in the project."""
    local = (item for item in items if item.protocol == "local" and item.is_in_repo)
    return {Path(item.fs_path).relative_to(root.resolve()) for item in local}


def _content(repo: Any, path: Path) -> str:
    """Return the hash that dvc.lock would have for a file or folder as it is now."""
    from dvc_data.hashfile.build import build

    _, _, found = build(repo.cache.local, str(path), repo.fs, "md5", ignore=repo.dvcignore, dry_run=True)
    return str(found.hash_info.value)


def _in_git(root: Path, path: Path) -> bool:
    return bool(git(root, "ls-files", "--", f":(top,literal){path.as_posix()}"))


def _unneeded_objects(repo: Any, root: Path) -> tuple[list[Leftover], str]:

    cache = Path(repo.cache.local.path)
    if not cache.resolve().is_relative_to(root.resolve()):
        return [], (
            f"DVC's cache {cache} lies outside this project, and other projects may keep theirs there; clear "
            "it with `dvc gc --all-branches --all-tags --projects PATH...`, which names all of them"
        )
    if trees := _other_work_trees(root):
        return [], (
            f"DVC's cache stays: {', '.join(map(str, trees))} is a work tree of the same repository, and may "
            "need what no commit names yet; clear the cache when it is gone (`git worktree remove PATH`)"
        )
    needed = {item.value for item in _needed_objects(repo, root)}
    paths = [Path(repo.cache.local.oid_to_path(oid)) for oid in repo.cache.local.all() if oid not in needed]
    if not paths:
        return [], ""
    size = sum(path.stat().st_size for path in paths)
    return [Leftover("cache", f"{len(paths)} objects that no branch, tag or the work tree names", size)], ""


def _needed_objects(repo: Any, root: Path) -> set[Any]:
    """Return DVC's hashes of all that the work tree or a commit in use names."""
    from dvc.exceptions import RevCollectionError

    stashed = (try_git(root, "stash", "list", "--format=%H") or "").split()
    commits = [*filter(None, [head_commit(root)]), *stashed]
    try:
        with _unasked():
            used = repo.used_objs(all_branches=True, all_tags=True, all_experiments=True, revs=commits)
    except RevCollectionError as error:
        raise InputError(
            f"{error.rev}: DVC's cache lacks the listing of a folder that it names, so that nobody can tell "
            "which files belong to it; get it back with `dvc fetch --all-branches --all-tags`, or delete the "
            "branch or tag"
        ) from None
    return set().union(*used.values())


def _remove_objects(repo: Any, root: Path) -> None:
    """Do as `dvc gc` does, which takes one commit besides branches and tags."""
    from dvc_data.hashfile.gc import gc

    needed = _needed_objects(repo, root)
    with _unasked():
        for cache in {id(cache): cache for _, cache in repo.cache.by_scheme() if cache}.values():
            gc(cache, needed)


def _other_work_trees(root: Path) -> list[Path]:
    """Return the repository's work trees besides `root`, without those that we made below it."""
    listed = git(root, "worktree", "list", "--porcelain").splitlines()
    trees = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    own = root.resolve()
    return [
        tree for tree in trees if tree != own and own / WORK not in tree.parents and (tree / ".dvc").is_dir()
    ]


@contextlib.contextmanager
def _unasked() -> Iterator[None]:
    """Have DVC fail where it would ask whether to lose files: it asks only on a terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _strangers(root: Path, of_many: Iterable[Path], outputs: set[Path]) -> Iterator[Path]:
    """Yield what lies among the outputs of stages with several runs, is of their kind, and is of none."""
    for output in of_many:
        if output.parent == Path() or not (root / output).exists():
            continue
        for path in (root / output).parent.iterdir():
            relative = path.relative_to(root)
            alike = path.is_dir() if (root / output).is_dir() else path.suffix == output.suffix
            if alike and not path.name.startswith(".") and not _overlaps(relative, outputs):
                yield relative


def _holds(folder: Path, outputs: set[Path]) -> bool:
    """Tell whether a dependency is the folder in which stages put their outputs, one beside the other."""
    return any(folder in output.parents for output in outputs)


def _overlaps(path: Path, outputs: set[Path]) -> bool:
    return any(path == own or path in own.parents or own in path.parents for own in outputs)


def _scratch(root: Path, names: set[str], stale: set[str]) -> Iterator[tuple[Kind, Path]]:
    """Yield what trainings left that were stopped and will not go on, and memos that no stage waits for."""
    for folder in sorted((root / WORK / "scratch").glob("*")):
        if folder.name not in names or folder.name not in stale:
            yield "scratch", folder
    for folder in sorted((root / SCRATCH).glob("*")):
        if folder.name not in names:
            yield "scratch", folder
    for path in sorted((root / WORK / "memos").glob("*")):
        # Beside them lies the lock on them, which stays.
        if path.suffix == ".unfinished" or (path.suffix == ".npy" and not stale):
            yield "memo", path
    for path in sorted((root / WORK / "registry").glob(".*.partial")):
        yield "scratch", path


def _at(root: Path, kind: Kind, path: Path) -> Leftover:
    return Leftover(kind, path.as_posix(), size_of(root / path))
