"""A git work tree of a retraining's own: nobody edits its inputs, and the user's files stay as they are.

It lies inside `.dvc/tmp`, shares DVC's cache with the project, takes turns with it on the machine's places
for trainings, and holds the project as it lay in the user's folder at the beginning, committed or not.
"""

import os
import shutil
from pathlib import Path

from tritune.address import HUB, PACKAGE
from tritune.errors import InputError
from tritune.pipeline.git import git, remove_tree
from tritune.pipeline.guard import WORK
from tritune.pipeline.opening import open_repository
from tritune.pipeline.registered_version import MODEL
from tritune.pipeline.snapshot import freeze
from tritune.settings.project import Project, read_project

FOLDER = WORK / "retrain"
TREE = FOLDER / "project"
SCRATCH = FOLDER / "scratch"
LOCK = WORK / "retrain.lock"

SHARED = ("slots", "memos")
"""Below `WORK`: places for trainings, and what the frozen layers gave."""


def open_work_tree(root: Path) -> Path:
    """Return the folder of a fresh work tree. `close_work_tree` takes it away.

    Raises:
        InputError: The pipeline or the parameters can't be read, or git can't make it.
    """
    tree = root / TREE
    project = read_project(root / "params.yaml")
    commit = freeze(root, output=MODEL, message="The project at the beginning of a retraining")
    git(root, "worktree", "add", "--quiet", "--force", "--detach", str(tree), commit)
    share_cache(root, tree)
    for name in SHARED:
        link_folder(root / WORK / name, tree / WORK / name)
    # A killed training goes on in the next work tree.
    link_folder(root / SCRATCH, tree / WORK / "scratch")
    _link_sources(project, root, tree)
    return tree


def close_work_tree(root: Path) -> None:
    """Take the work tree away, whole or half made; nothing happens where there is none."""
    remove_tree(root, root / TREE)


def share_cache(root: Path, tree: Path) -> None:
    """Have DVC use the project's cache, remotes and passwords, as they are now, in a work tree."""
    from dvc.config import Config, merge

    local = root / ".dvc/config.local"
    if local.is_file():
        # With its mode: it may hold a remote's password.
        shutil.copy(local, tree / ".dvc/config.local")
    with open_repository(root) as repo:
        cache = repo.cache.local_cache_dir
    own = Config(str(root / ".dvc"), validate=False)
    with Config(str(tree / ".dvc"), validate=False).edit("local") as settings:
        settings.clear()
        for level in ("repo", "local"):
            # DVC reads paths from the file's folder on, and writes them so that they lead there from another.
            merge(settings, own.read(level))
        settings.setdefault("cache", {})["dir"] = cache


def link_folder(target: Path, link: Path) -> None:
    """Have a folder found at another place too; it is made where it is missing."""
    target.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


def _link_sources(project: Project, root: Path, tree: Path) -> None:
    """Have data and base model that lie in the project found at the same place, as they are now."""
    for key, source in (
        ("data.source", project.data.source),
        ("model.source", project.model.source),
        ("model.decoder", project.model.decoder),
    ):
        if source is None or source.startswith((HUB, PACKAGE)) or Path(source).expanduser().is_absolute():
            continue
        place = Path(os.path.normpath(source))
        if place.parts[:1] == ("..",) or not place.name:
            raise InputError(
                f"{key}: {source!r} leads out of the project, and a retraining works in a folder of its own; "
                "write the whole path, beginning with /"
            )
        if not (root / place).exists():
            continue  # the stage that reads it says so
        if _linked_above(place, root, tree):
            continue
        link = (tree / place).parent.resolve() / place.name
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        else:
            link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((root / place).resolve())


def _linked_above(place: Path, root: Path, tree: Path) -> bool:
    """Tell whether a folder above `place` is a link out of the work tree; have it lead where the user's does.

    What lies behind such a link is the user's own, and nothing there may be removed.
    """
    for above in reversed(place.parents):
        link = tree / above
        if link.is_symlink() and not link.resolve().is_relative_to(tree.resolve()):
            link.unlink()
            link.symlink_to((root / above).resolve())
            return True
    return False
