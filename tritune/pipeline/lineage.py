"""What a registered version was made from, stage by stage, back to the raw data, and what it predicted.

Where it comes from is in its own commit: dvc.lock, what the comparison says, and the message of the tag.
The rows are counted by the profile of the data, which lies in DVC's cache.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.git import file_contents
from tritune.pipeline.model_files import read_cached
from tritune.pipeline.opening import open_repository
from tritune.pipeline.predictions import Prediction, read_predictions
from tritune.pipeline.registered_version import (
    CHAMPION,
    COMPARISON,
    MODEL,
    RegisteredVersion,
    describe,
    locked_hash,
)
from tritune.pipeline.registry import find, versions
from tritune.pipeline.snapshot import locked_stages
from tritune.versions import FILE as VERSIONS_FILE

RAW, BASE, INGESTED = "data/raw", "base", "data/ingested"
SPLITS = ("train", "validation", "test")
CODE = (".py", ".j2")


@dataclass(frozen=True)
class Step:
    """One stage on the way."""

    stage: str
    read: Mapping[str, str]
    """Path -> DVC's hash, code left out."""

    wrote: Mapping[str, str]
    code: Mapping[str, str]
    parameters: Mapping[str, Any]
    """`KEY` of params.yaml -> value."""


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from."""

    version: RegisteredVersion
    tag: str
    data: Mapping[str, Any]
    """`source`, `md5` of the raw data, and `rows` by split where DVC's cache can tell."""

    base: Mapping[str, Any]
    """`source` and `md5` of the base model."""

    libraries: Mapping[str, str]
    compared_with: tuple[str, ...]
    """Trainings that the comparison left behind."""

    steps: tuple[Step, ...]
    """In the order of dvc.lock, which is that of dvc.yaml."""

    predictions: tuple[Prediction, ...]
    """Files that it answered, the latest first."""


def lineage(root: Path, reference: str | None) -> Lineage:
    """Return where a version comes from; without a reference the champion, or else the newest version.

    Raises:
        InputError: No such version, or none at all.
    """
    tags, event = find(root, reference or _first_choice(root))
    (version,) = describe(root, tags, [event])
    names = [f"{event.commit}:{path}" for path in ("dvc.lock", VERSIONS_FILE, COMPARISON)]
    held = file_contents(root, names)
    lock, versions_file, comparison = (held.get(name, b"") for name in names)
    entries = locked_stages(lock)
    steps = tuple(_steps(entries, version))
    parameters = {key: value for step in steps for key, value in step.parameters.items()}
    lines = (line.partition(": ") for line in versions_file.decode().splitlines() if line[:1] != "#")
    compared = json.loads(comparison).get("methods", []) if comparison else []
    runs = [f"{one['method']}-{seed['seed']}" for one in compared for seed in one.get("seeds", [])]
    return Lineage(
        version=version,
        tag=event.tag,
        data={
            "source": parameters.get("data.source"),
            "md5": locked_hash(lock, output=RAW),
            "rows": _rows(root, locked_hash(lock, output=INGESTED)),
        },
        base={"source": _source(parameters.get("model")), "md5": locked_hash(lock, output=BASE)},
        libraries={name: value for name, mark, value in lines if mark},
        compared_with=tuple(run for run in runs if run != f"{version.method}-{version.seed}"),
        steps=steps,
        predictions=tuple(read_predictions(root, version.version)),
    )


def _first_choice(root: Path) -> str:
    known = versions(root)
    if not known:
        raise InputError("no version is registered yet; `tritune run` registers the model it selects")
    return next((one.version for one in known if CHAMPION in one.stages), known[0].version)


def _steps(entries: Mapping[str, Any], version: RegisteredVersion) -> Iterator[Step]:
    """Yield the stages that the model needs; of a stage with several runs only the one of its training."""
    own = {version.method, f"{version.method}-{version.seed}"}
    on_the_way = {name for name in entries if "@" not in name or name.partition("@")[2] in own}
    wanted = {name for name in on_the_way if MODEL in _hashes(entries[name], "outs")}
    waiting = list(wanted)
    while waiting:
        read = _hashes(entries[waiting.pop()], "deps")
        needs = {
            name
            for name in on_the_way - wanted
            if any(_touch(out, dep) for out in _hashes(entries[name], "outs") for dep in read)
        }
        wanted |= needs
        waiting += needs
    for name in (name for name in entries if name in wanted):
        deps = _hashes(entries[name], "deps")
        yield Step(
            stage=name,
            read={path: md5 for path, md5 in deps.items() if not path.endswith(CODE)},
            wrote=_hashes(entries[name], "outs"),
            code={path: md5 for path, md5 in deps.items() if path.endswith(CODE)},
            parameters=dict(entries[name].get("params", {}).get("params.yaml", {})),
        )


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: str(item.get("md5") or "") for item in entry.get(kind, [])}


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _source(model: Any) -> str | None:
    return str(model["source"]) if isinstance(model, Mapping) and "source" in model else None


def _rows(root: Path, content: str) -> dict[str, int] | None:
    """Return how many rows each split has, or None where DVC's cache cannot tell."""
    with open_repository(root) as repo:
        profile = read_cached(repo, content, "profile.json") if content else None
    splits = json.loads(profile).get("splits", {}) if profile else {}
    return {name: splits[name]["rows"] for name in SPLITS if name in splits} or None
