"""Is a project fit to work: what is installed, git, the pipeline, DVC's cache and remote, disk, leftovers."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tritune.errors import InputError
from tritune.pipeline.circumstances import PINS, other_versions, shortened
from tritune.pipeline.dag import read_stages
from tritune.pipeline.disk import size_of
from tritune.pipeline.git import common_folder, git
from tritune.pipeline.integrity import cached_objects, remote_of, versions_not_here
from tritune.pipeline.locks import holder
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.rebuild import leftover_trees
from tritune.pipeline.work_tree import LOCK, TREE
from tritune.settings.project import read_yaml
from tritune.versions import FILE as VERSIONS_FILE
from tritune.versions import check_versions

Verdict = Literal["ok", "warning", "problem"]

BASES_A_RUN, BASES_AT_WORK = 2, 6
"""Disk that a training takes, in sizes of the base model. For good: its checkpoint, and the cache's copy.
While it works: weights and the optimizer's two moments, and the same again while they are written anew."""

SECONDS_UNTIL_STALE = 60.0
"""git holds the lock on its index for a moment; one that is older was left by a kill."""


@dataclass(frozen=True)
class Check:
    """What one look found."""

    name: str
    verdict: Verdict
    text: str
    """What is so; where it is not ok, with the next move."""


def checkup(root: Path) -> Iterator[Check]:
    """Yield one check after the other. None of them changes anything or takes more than seconds."""
    checks: tuple[tuple[str, Callable[[Path], Check]], ...] = (
        ("versions", _versions),
        ("pins", _pins),
        ("git", _git),
        ("pipeline", _pipeline),
        ("cache", _cache),
        ("remote", _remote),
        ("disk", _disk),
        ("left behind", _left_behind),
    )
    for name, look in checks:
        try:
            yield look(root)
        except InputError as error:
            yield Check(name, "problem", str(error))


def _versions(root: Path) -> Check:
    if not (root / VERSIONS_FILE).is_file():
        raise InputError(f"{VERSIONS_FILE} is missing; write it with `python -m tritune.versions`")
    recorded = read_yaml(root / VERSIONS_FILE)
    check_versions(recorded)
    return Check("versions", "ok", ", ".join(f"{name} {version}" for name, version in recorded.items()))


def _pins(root: Path) -> Check:
    if not (root / PINS).is_file():
        raise InputError(f"{PINS} is missing; take the committed one with `git checkout {PINS}`")
    different = other_versions((root / PINS).read_text("utf-8"))
    if different:
        return Check(
            "pins", "warning", f"{PINS} pins {shortened(different)}; install what it pins with `make setup`"
        )
    return Check("pins", "ok", f"what is installed is what {PINS} pins")


def _git(root: Path) -> Check:
    common_folder(root)
    lock = (root / git(root, "rev-parse", "--git-path", "index.lock")).resolve()
    if lock.is_file() and time.time() - lock.stat().st_mtime > SECONDS_UNTIL_STALE:
        return Check(
            "git",
            "problem",
            f"{lock} was left by a git that was killed, and git refuses to commit; if no git runs, remove it "
            f"with `rm '{lock}'`",
        )
    files = [name for name in ("params.yaml", "dvc.yaml", "dvc.lock") if (root / name).is_file()]
    if changed := git(root, "status", "--porcelain", "--", *files):
        names = ", ".join(line[3:] for line in changed.splitlines())
        return Check(
            "git",
            "warning",
            f"not committed: {names}; keep it with `git add {names.replace(',', '')}` and commit",
        )
    return Check("git", "ok", git(root, "--version").removeprefix("git version "))


def _pipeline(root: Path) -> Check:
    check_dvc_folder(root)
    stages = read_stages(root, tolerate_busy=True)
    stale = sum(stage.stale for stage in stages)
    if stale:
        return Check("pipeline", "ok", f"{stale} of {len(stages)} stages may have work to do: tritune run")
    return Check("pipeline", "ok", f"all {len(stages)} stages are up to date")


def _cache(root: Path) -> Check:
    check_dvc_folder(root)
    objects = cached_objects(root)
    if missing := list(versions_not_here(root)):
        return Check(
            "cache",
            "warning",
            f"the models of {', '.join(missing)} are not in DVC's cache here; get them with "
            "`dvc fetch --all-tags`, or make one again with `tritune verify`",
        )
    size = sum(one.size for one in objects)
    return Check("cache", "ok", f"{len(objects)} objects, {size / 1e9:.1f} GB; hashes are checked by --full")


def _remote(root: Path) -> Check:
    check_dvc_folder(root)
    name, reachable = remote_of(root)
    if not name:
        return Check(
            "remote",
            "warning",
            "none is set, so that data and models are on this machine alone; set one with "
            "`dvc remote add --default NAME URL`, then `dvc push`",
        )
    if not reachable:
        return Check(
            "remote",
            "problem",
            f"{name} cannot be reached; see where it is with `dvc remote list`, and try `dvc push`",
        )
    return Check("remote", "ok", f"{name} can be reached")


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    base = size_of(root / "base")
    waiting = sum(stage.kind == "train" for stage in read_stages(root, tolerate_busy=True) if stage.stale)
    need = base * (BASES_A_RUN * (waiting + 1) + BASES_AT_WORK)
    told = f"{free / 1e9:.1f} GB free"
    if not waiting:
        return Check("disk", "ok", f"{told}, and no training waits for its turn")
    if need > free:
        return Check(
            "disk",
            "problem",
            f"{told}, and {waiting} trainings may take {need / 1e9:.1f} GB; see what can go with "
            "`tritune prune`",
        )
    if not base:
        return Check("disk", "ok", f"{told}; what trainings take is known once the base model is fetched")
    return Check("disk", "ok", f"{told}; {waiting} trainings may take {need / 1e9:.1f} GB")


def _left_behind(root: Path) -> Check:
    check_dvc_folder(root)
    found = []
    if trees := leftover_trees(root):
        names = ", ".join(tree.name for tree in trees)
        found.append(f"work trees of verifications that were killed: {names}")
    if (root / TREE).exists() and holder(root / LOCK) is None:
        found.append(f"the work tree of a retraining that was killed: {TREE}")
    if found:
        told = f"{'; '.join(found)}; remove them with `tritune prune --yes`"
        return Check("left behind", "warning", told)
    return Check("left behind", "ok", "no work tree of a verification or retraining that was killed")
