"""What is on record about a registered version: in its tag's message, and in the files of its commit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tritune.pipeline.git import file_contents
from tritune.pipeline.machine import made_on
from tritune.pipeline.registry_tags import Event, Tags
from tritune.pipeline.snapshot import locked_stages

MODEL = "models/selected"
COMPARISON = "results/comparison.json"
CHAMPION, CHALLENGER = "champion", "challenger"

_MODEL_LINE, _MADE_ON_LINE = "model-md5: ", "made-on: "


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the model."""

    version: str
    stages: tuple[str, ...]
    """A champion that was challenger before is only champion."""

    date: datetime
    commit: str
    content: str
    """DVC's hash of the model; empty where neither the tag nor the commit's dvc.lock has it."""

    task: str = ""
    metric: str = ""
    """The one that the methods were compared by."""

    method: str = ""
    seed: int | None = None
    validation: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    """Scores of the very model that ships, by metric; empty where the commit has no comparison."""

    made_on: Mapping[str, str] = field(default_factory=dict)
    """The machine of the training, as in `tritune.pipeline.machine`; empty where the tag does not say."""


class Scores(NamedTuple):
    """The model that a comparison chose, and its scores by metric."""

    method: str
    seed: int | None
    validation: dict[str, float]
    test: dict[str, float]
    metric: str
    """The one that the methods were compared by."""


def describe(root: Path, tags: Tags, events: Sequence[Event]) -> list[RegisteredVersion]:
    """Return what is known of the versions that `events` registered."""
    contents = contents_of(root, events)
    files = file_contents(root, [f"{event.commit}:{COMPARISON}" for event in events])
    return [
        _described(tags, event, content, files.get(f"{event.commit}:{COMPARISON}", b""))
        for event, content in zip(events, contents, strict=True)
    ]


def contents_of(root: Path, events: Sequence[Event]) -> list[str]:
    """Return DVC's hash of the model at each registration; empty where it is not known."""
    locks = [f"{event.commit}:dvc.lock" for event in events if not _line(event.message, _MODEL_LINE)]
    found = file_contents(root, locks) if locks else {}
    return [
        _line(event.message, _MODEL_LINE) or locked_hash(found.get(f"{event.commit}:dvc.lock", b""))
        for event in events
    ]


def locked_hash(lock: bytes, *, output: str = MODEL) -> str:
    """Return the hash that a dvc.lock has for an output, or nothing."""
    for entry in locked_stages(lock).values():
        for out in entry.get("outs", []):
            if out.get("path") == output:
                return str(out.get("md5") or "")
    return ""


def annotation(root: Path, *, name: str, version: str, content: str) -> str:
    """Return the message of a version's tag: scores, what identifies the model, and the machine."""
    path = root / COMPARISON
    method, seed, validation, test, metric = scores_of(path.read_bytes() if path.is_file() else b"")
    lines = [f"{name} {version}", ""]
    if method:
        lines.append(f"method: {method}" + ("" if seed is None else f", seed {seed}"))
    for split, scores in (("validation", validation), ("test", test)):
        if metric in scores:
            lines.append(f"{split} {metric}: {scores[metric]:.4f}")
    lines.append(f"{_MODEL_LINE}{content}")
    training = f"train@{method}-{seed}"
    entry = locked_stages((root / "dvc.lock").read_bytes()).get(training)
    if entry and (machine := made_on(root, training, entry)):
        lines.append(f"{_MADE_ON_LINE}{json.dumps(machine, sort_keys=True)}")
    return "\n".join(lines)


def _described(tags: Tags, event: Event, content: str, comparison: bytes) -> RegisteredVersion:
    stages = [stage for stage, version in tags.stages.items() if version == event.version]
    if CHAMPION in stages:
        stages = [stage for stage in stages if stage != CHALLENGER]
    method, seed, validation, test, metric = scores_of(comparison)
    return RegisteredVersion(
        version=event.version,
        stages=tuple(stages),
        date=datetime.fromtimestamp(event.seconds, UTC),
        commit=event.commit,
        content=content,
        task=str(_json(comparison).get("task", "")),
        metric=metric,
        method=method,
        seed=seed,
        validation=validation,
        test=test,
        made_on={str(k): str(v) for k, v in _json(_line(event.message, _MADE_ON_LINE).encode()).items()},
    )


def scores_of(comparison: bytes) -> Scores:
    """Return what a comparison.json says of the model that ships; empty where it says nothing."""
    content = _json(comparison)
    chosen = content.get("chosen", {})
    method, seed = str(chosen.get("method", "")), chosen.get("seed")
    methods: list[dict[str, Any]] = content.get("methods", [])
    entry = next((one for one in methods if one.get("method") == method), {})
    # The mean over the seeds chose the method, but one seed's model ships.
    one = next((one for one in entry.get("seeds", []) if one.get("seed") == seed), entry)
    validation, test = dict(one.get("validation", {})), dict(one.get("test", {}))
    return Scores(method, seed, validation, test, str(content.get("metric", "")))


def _json(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content) if content else {}
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _line(message: str, beginning: str) -> str:
    lines = (line for line in message.splitlines() if line.startswith(beginning))
    return next(lines, "").removeprefix(beginning).strip()
