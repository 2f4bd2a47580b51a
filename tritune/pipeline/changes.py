"""What differs between the project as it is and what made an earlier version, without its files being there.

`dvc status` compares outputs, too, and would call everything stale in a work tree that has none yet.
"""

from pathlib import Path
from typing import Any

from tritune.pipeline.dag import stages_of
from tritune.pipeline.opening import open_repository
from tritune.pipeline.snapshot import locked_stages

WORDS = {"data/raw": "the data", "base": "the base model"}
"""What people call the outputs that everything else is made from."""


def changes_since(root: Path, earlier: bytes) -> list[str]:
    """Return what changed since a dvc.lock was written, in a few words each; empty: nothing.

    Args:
        root: A project whose first stages have just run, so that its dvc.lock names the present sources.
        earlier: Content of the dvc.lock.
    """
    before, now = locked_stages(earlier), locked_stages((root / "dvc.lock").read_bytes())
    found: list[str] = []
    with open_repository(root) as repo, repo.lock:
        stages = stages_of(repo)
        made = {out.fs_path for stage in stages for out in stage.outs}
        for stage in stages:
            if stage.name not in before:
                found.append(f"{stage.name} is new")
            elif not _reads(stage, made):
                found += _outputs(before[stage.name], now.get(stage.name, {}))
            else:
                found += ["the command of a stage"] if stage.cmd_changed else []
                found += _inputs(stage, made)
    return list(dict.fromkeys(found))


def _reads(stage: Any, made: set[str]) -> bool:
    return any(dep.fs_path in made or _within(dep.fs_path, made) for dep in stage.deps)


def _within(path: str, made: set[str]) -> bool:
    """Tell whether a path lies in an output, or holds one."""
    return any(path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in made)


def _outputs(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    hashes = [{out["path"]: out.get("md5") for out in entry.get("outs", [])} for entry in (before, now)]
    changed = [path for path in {**hashes[0], **hashes[1]} if hashes[0].get(path) != hashes[1].get(path)]
    return [WORDS.get(path, path) for path in changed]


def _inputs(stage: Any, made: set[str]) -> list[str]:
    from dvc.dependency import ParamsDependency

    found = []
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            for file, keys in dep.status().items():
                found += [f"{key} in {file}" for key in keys] if isinstance(keys, dict) else [str(file)]
        elif dep.fs_path not in made and not _within(dep.fs_path, made):
            found += [str(path) for path in dep.status()]
    return found
