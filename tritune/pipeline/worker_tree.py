"""A folder in which a worker brings stages of other machines' runs up to date; its clone stays as it is.

A git work tree inside `.dvc/tmp` of the worker's clone, at the clone's commit, with the parameters and the
inputs of the run that asked. It shares the clone's cache, scratch and places for trainings.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.git import git, head_commit, remove_tree
from tritune.pipeline.guard import WORK
from tritune.pipeline.identity import Identity, identity_of
from tritune.pipeline.lock_file import parsed_lock
from tritune.pipeline.work_tree import link_folder, share_cache

FOLDER = WORK / "worker"
TREE = FOLDER / "project"
LOCK = FOLDER / "worker.lock"

MADE = WORK / "made"
"""In the tree: there when all of it is, for making it can be cut short."""

SHARED = ("slots", "memos", "scratch")
"""Below `WORK`: with the scratch of a killed training, the next one goes on where it was."""

GIVEN = ("dvc.yaml", "params.yaml", "versions.yaml")
"""What the machine that asks sends along, as it lies there: nobody has to commit a changed parameter."""


def files_to_send(root: Path) -> dict[str, str]:
    """Return the content of what a run's stages depend on and a worker's clone may have otherwise."""
    return {name: (root / name).read_text("utf-8") for name in GIVEN if (root / name).is_file()}


def entries_to_send(root: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the entries of dvc.lock of some stages: what they gave, so that it can be had by its hash."""
    from tritune.pipeline.opening import open_repository

    lock = root / "dvc.lock"
    with open_repository(root) as repo, repo.lock:
        stages = parsed_lock(lock.read_text(encoding="utf-8"), lock)["stages"]
    return {name: stages[name] for name in names}


def open_worker_tree(root: Path, *, files: Mapping[str, str], entries: Mapping[str, Any]) -> Path:
    """Return the folder, brought to the commit of the clone and to what a run sent along.

    Raises:
        InputError: git can't make it.
    """
    from dvc.utils.serialize import dump_yaml

    tree, commit = root / TREE, head_commit(root)
    if commit is None:
        raise InputError(f"{root} has no commit yet; a worker needs a clone of the project")
    made = tree / MADE
    if not made.is_file() or head_commit(tree) != commit:
        remove_tree(root, tree)
        tree.parent.mkdir(parents=True, exist_ok=True)
        git(root, "worktree", "add", "--quiet", "--force", "--detach", str(tree), commit)
        for name in SHARED:
            link_folder(root / WORK / name, tree / WORK / name)
        made.touch()
    share_cache(root, tree)
    for name, content in files.items():
        (tree / name).write_text(content, "utf-8")
    dump_yaml(str(tree / "dvc.lock"), {"schema": "2.0", "stages": dict(entries)})
    return tree


def check_same_inputs(stage: str, recorded: Mapping[str, Any], *, tree: Path, clone: Path) -> Identity:
    """Return the identity of a stage in the tree, which is the one on the machine that asked.

    Raises:
        InputError: Something that it depends on is not the same in both clones.
    """
    here = identity_of(stage, root=tree)
    if different := replace(here, recorded=recorded).differences(here):
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        raise InputError(
            f"{stage} would not be the same here: {', '.join(different[:3])}{more} differ between the run "
            f"and the worker's clone {clone}; bring both to the same commit, then start the run again"
        )
    return here
