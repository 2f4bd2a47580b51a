"""What DVC would record for a stage as its inputs are at this moment, under DVC's own run-cache key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.pipeline.opening import open_repository

WITHOUT_EFFECT = ("compute.recompute_activations",)
"""Settings by which a result is had in another way, and is the same bit for bit."""


@dataclass(frozen=True)
class Identity:
    """One stage with the content of its inputs."""

    key: str
    """Name of the run-cache entry: a hash of command, dependencies, parameters and output paths."""

    recorded: Mapping[str, Any]
    """`cmd`, `deps` and `params` as dvc.lock would hold them."""

    outputs: tuple[str, ...]
    scratch_key: str
    """As `key`, but the same whatever `WITHOUT_EFFECT` is set to: a stopped training then goes on."""

    cache: Path
    """Where DVC keeps what comes out."""

    meta: Mapping[str, Any]
    """The stage's `meta` in dvc.yaml: what says how to run it without being part of the result."""

    @property
    def params(self) -> dict[str, Any]:
        """Each declared parameter by its key, from all parameter files."""
        files = self.recorded.get("params", {})
        return {key: value for content in files.values() for key, value in content.items()}

    @property
    def inputs(self) -> dict[str, Path]:
        return {dep["path"]: Path(dep["path"]) for dep in self.recorded.get("deps", [])}

    def differences(self, later: "Identity") -> list[str]:
        """Return what changed until `later`, one short phrase each."""
        before, after = _flat(self.recorded), _flat(later.recorded)
        names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
        return names or (["the outputs that dvc.yaml declares"] if self.key != later.key else [])


def identity_of(stage: str, *, root: Path, pipeline: str = "dvc.yaml") -> Identity:
    """Return the identity of a stage, under DVC's lock.

    Args:
        pipeline: The file that defines it.

    Raises:
        InputError: DVC cannot read the pipeline, or an input is missing.
    """
    from dvc.dvcfile import load_file
    from dvc.stage.loader import StageLoader
    from dvc.stage.serialize import to_single_stage_lockfile

    with open_repository(root) as repo, repo.lock:
        file = load_file(repo, pipeline)
        # Without dvc.lock, which is long: what it holds is not asked for.
        loaded = StageLoader(file, file.contents)[stage]
        loaded.save_deps()
        entry = json.loads(json.dumps(to_single_stage_lockfile(loaded)))
        key, scratch_key = key_of_entry(entry), key_of_entry(_that_matters(entry))
        outputs = tuple(out["path"] for out in entry.pop("outs", []))
        return Identity(
            key=key,
            recorded=entry,
            outputs=outputs,
            scratch_key=scratch_key,
            cache=Path(repo.cache.local_cache_dir),
            meta=dict(loaded.meta or {}),
        )


def key_of_entry(entry: Mapping[str, Any]) -> str:
    """Return DVC's run-cache key of an entry of dvc.lock; what came out does not matter to it."""
    from dvc.stage.cache import _get_cache_hash

    outputs = [{"path": out["path"]} for out in entry.get("outs", [])]
    # DVC's function changes what it is given.
    return str(_get_cache_hash({**json.loads(json.dumps(entry)), "outs": outputs}, key=True))


def _that_matters(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of dvc.lock without the settings that never change a result."""
    params = {
        file: {
            key: {name: one for name, one in value.items() if f"{key}.{name}" not in WITHOUT_EFFECT}
            if isinstance(value, dict)
            else value
            for key, value in content.items()
        }
        for file, content in entry.get("params", {}).items()
    }
    return {**entry, "params": params}


def _flat(recorded: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {"the command": recorded.get("cmd")}
    named |= {dep["path"]: dep for dep in recorded.get("deps", [])}
    for file, content in recorded.get("params", {}).items():
        named |= {f"{key} in {file}": value for key, value in content.items()}
    return named
