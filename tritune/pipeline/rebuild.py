"""A registered version made anew from its tag, in a work tree of its own where no cache can answer.

What its first stages fetched is taken from DVC's cache or remote, checked by its hash. Every stage after them
runs again, and three things see to that: the work tree's cache is a new and empty one, so that neither DVC's
run-cache nor a cached output is there to be found; dvc.lock has lost these stages' entries, and the tree
their outputs; and DVC is told to run each whatever it knows.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.dag import Stage, read_stages
from tritune.pipeline.git import git, remove_tree
from tritune.pipeline.guard import WORK
from tritune.pipeline.lock_file import changed_lock
from tritune.pipeline.locks import MOMENT, Busy, alone, held
from tritune.pipeline.model_files import fetch
from tritune.pipeline.opening import check_dvc_folder, open_repository
from tritune.pipeline.registered_version import MODEL
from tritune.pipeline.registry_tags import Event
from tritune.pipeline.side_by_side import Screen, run_stages
from tritune.settings.project import read_yaml
from tritune.versions import FILE as VERSIONS_FILE
from tritune.versions import installed_versions

FOLDER = WORK / "verify"
"""Where the work trees lie: below .dvc/tmp, which git and DVC leave alone."""

LOCK = WORK / "verify.lock"


@contextlib.contextmanager
def work_tree(root: Path, event: Event) -> Iterator[Path]:
    """Check a version's commit out into a work tree of its own, which is gone after the block.

    Branch, index and work tree of the user stay as they are.

    Args:
        event: The version's registration.

    Raises:
        InputError: Another verification is going on, or DVC does not work here.
    """
    check_dvc_folder(root)
    folder = (root / FOLDER).resolve()
    tree = folder / event.version
    with _alone(root):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.iterdir():
            remove_tree(root, left)
        try:
            git(root, "worktree", "add", "--quiet", "--detach", "--force", str(tree), event.commit)
            yield tree
        finally:
            remove_tree(root, tree)


def rebuild(root: Path, tree: Path, event: Event, *, screen: Screen) -> tuple[str, ...]:
    """Make a version's model again in its work tree. Return the stages that ran, in order.

    No process is left behind, however it ends.

    Raises:
        InputError: What the stages start from cannot be had.
        StageFailed: A stage did not run to its end.
    """
    stages = _stages_to_run(tree)
    _close_off(tree, [stage.name for stage in stages])
    _place_inputs(root, tree, event, stages)
    _take_installed_versions(tree)
    run_stages(tree, stages, screen=screen, force=True)
    return tuple(stage.name for stage in stages)


def leftover_trees(root: Path) -> list[Path]:
    """Return the work trees that a killed verification left; none while one is going on."""
    listed = git(root, "worktree", "list", "--porcelain").splitlines()
    known = {Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")}
    own = (root / FOLDER).resolve()
    try:
        with held(root / LOCK):
            return sorted({path for path in known if path.parent == own} | set(own.glob("*")))
    except Busy:
        return []


def _alone(root: Path) -> contextlib.AbstractContextManager[None]:
    return alone(
        root / LOCK,
        wait_seconds=MOMENT,
        otherwise=lambda process: (
            f"another verification is going on here (process {process}); wait until it ends, or stop it "
            f"with `kill {process}`"
        ),
    )


def _stages_to_run(tree: Path) -> list[Stage]:
    """Return the stages that the model needs, in order, without those that only bring in what is outside."""
    stages = read_stages(tree)
    makers = {stage.name for stage in stages if MODEL in stage.outputs}
    wanted = set(makers)
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= set(stage.needs)
    return [stage for stage in stages if stage.name in wanted and (stage.needs or stage.name in makers)]


def _close_off(tree: Path, stages: Sequence[str]) -> None:
    """Give the tree a cache of its own, and take away whatever DVC could take for results of the stages."""
    with open_repository(tree) as repo, repo.config.edit("local") as config:
        cache = config.setdefault("cache", {})
        # Linked, not copied: a checkpoint would need its place twice.
        cache["dir"], cache["type"] = str(tree / ".dvc/cache"), "reflink,hardlink,copy"
        config.setdefault("core", {})["site_cache_dir"] = str(tree / ".dvc/tmp/site")
    with changed_lock(tree / "dvc.lock") as lock:
        outputs = [out["path"] for name in stages for out in lock["stages"].pop(name, {}).get("outs", [])]
    for path in outputs:
        if (tree / path).is_dir():
            shutil.rmtree(tree / path)
        else:
            (tree / path).unlink(missing_ok=True)


def _place_inputs(root: Path, tree: Path, event: Event, stages: Sequence[Stage]) -> None:
    ran = {stage.name for stage in stages}
    with open_repository(tree) as repo, repo.lock:
        own = [stage for stage in repo.index.stages if stage.cmd and stage.name in ran]
        deps = [Path(dep.fs_path) for stage in own for dep in stage.deps if dep.protocol == "local"]
        outs = [
            (Path(out.fs_path).relative_to(repo.root_dir), out.hash_info.value if out.hash_info else "")
            for stage in repo.index.stages
            if stage not in own
            for out in stage.outs
            if out.use_cache and any(_touches(Path(out.fs_path), dep) for dep in deps)
        ]
    with open_repository(root) as repo:
        for path, content in outs:
            if not content:
                raise InputError(
                    f"{event.tag}: dvc.lock of its commit {event.commit[:10]} does not say what {path} was, "
                    "so that it cannot be made again"
                )
            fetch(
                repo, tree / path, content=content, commit=event.commit, version=event.version, part=str(path)
            )


def _touches(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _take_installed_versions(tree: Path) -> None:
    """Have versions.yaml name what is installed: a stage refuses to run under any other."""
    path = tree / VERSIONS_FILE
    if path.is_file():
        versions = installed_versions(read_yaml(path))
        path.write_text("".join(f"{name}: {version}\n" for name, version in versions.items()), "utf-8")
