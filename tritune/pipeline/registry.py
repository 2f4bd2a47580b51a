"""The model registry: versions and stages of `models/selected` as git tags, by GTO's rules.

A version is a tag on a snapshot commit (`tritune/pipeline/snapshot.py`), so that `git checkout NAME@v0.0.1`
and `dvc repro` give that model again. `gto show` and `dvc artifacts get . NAME --stage champion` find it.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.pipeline.gate import Contender, objection
from tritune.pipeline.git import head, prefix
from tritune.pipeline.guard import WORK
from tritune.pipeline.history import CHALLENGER, CHAMPION, ROLLBACK, History
from tritune.pipeline.locks import Busy, held
from tritune.pipeline.snapshot import check_reproducible, take_snapshot
from tritune.pipeline.stored import fetch_output, file_hash_at, hash_at, holds, json_at, recorded_hash
from tritune.pipeline.tags import TagExists, read_events, version_tag, write_assignment, write_version
from tritune.settings.project import read_project, read_yaml

MODEL = "models/selected"
COMPARISON = "results/comparison.json"
TEST_ROWS = "data/ingested/test.parquet"

SECONDS_FOR_OTHERS = 120.0
"""How long another registration may take before we give up."""


@dataclass(frozen=True)
class Registration:
    """What registering came to."""

    name: str
    version: str
    created: bool
    """False: this model had the version already."""

    stage: str
    """The highest stage that the version has; empty: none."""

    message: str


@dataclass(frozen=True)
class Promotion:
    """A stage that a version has got."""

    version: str
    previous: str
    """Who had the stage before; empty: nobody."""

    stage: str
    changed: bool
    message: str


@dataclass(frozen=True)
class RegisteredVersion:
    """One version, with what its commit says about it."""

    name: str
    version: str
    commit: str
    created: datetime
    stages: tuple[str, ...]
    method: str = ""
    """Name of the method that made it; empty: its commit has no comparison."""

    seed: int | None = None
    task: str = ""
    metric: str = ""
    """What the choice between methods went by."""

    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """`validation` and `test` scores of the model itself, by metric."""


def register(root: Path) -> Registration:
    """Give `models/selected` a version, unless the same model has one.

    The first becomes champion, as there is nothing that it could make worse; later ones become challenger. A
    registration that was killed half-way is completed.

    Raises:
        InputError: The results are stale, or something they came from is not what dvc.lock says.
    """
    name = artifact_name(root)
    with _alone(root):
        check_reproducible(root, model=MODEL)
        content = recorded_hash((root / "dvc.lock").read_bytes(), MODEL)
        for _ in range(5):
            # A second work tree of this repository has a lock of its own, but the same tags.
            with contextlib.suppress(TagExists):
                return _register(root, name, str(content))
        raise InputError(f"tags of {name} appear faster than they can be read; try again")


def versions(root: Path) -> list[RegisteredVersion]:
    """Return all registered versions, newest first.

    Raises:
        InputError: There is no git repository, or dvc.yaml names no model.
    """
    name = artifact_name(root)
    history = History(name, read_events(root, name))
    made = {event.version: event.seconds for event in history.events if event.action == "register"}
    found = []
    for version, commit in history.commits.items():
        comparison = json_at(root, commit, COMPARISON)
        chosen = comparison.get("chosen", {})
        found.append(
            RegisteredVersion(
                name,
                version,
                commit,
                datetime.fromtimestamp(made[version], UTC),
                history.stages(version),
                method=str(chosen.get("method", "")),
                seed=chosen.get("seed"),
                task=str(comparison.get("task", "")),
                metric=str(comparison.get("metric", "")),
                scores=_scores(comparison),
            )
        )
    return found


def promote(root: Path, version: str, *, stage: str = CHAMPION, force: bool = False) -> Promotion:
    """Give a stage to a version. For `champion` the gate must have no objection, unless forced.

    The gate compares test scores (`compare.metric`) on the same test rows, with `register.margin`, both as
    params.yaml has them now.

    Raises:
        InputError: No such version, or the gate objects.
    """
    name = artifact_name(root)
    with _alone(root):
        history = History(name, read_events(root, name))
        version = history.find(version)
        previous = history.holders.get(stage, "")
        if previous == version:
            return Promotion(version, version, stage, False, f"{name} {version} is the {stage} already")
        reason = None
        if stage == CHAMPION and previous:
            reason = _gate(root, version, previous, history.commits)
        if reason and not force:
            raise InputError(
                f"{version} is not promoted: {reason}; keep {previous}, or promote it all the same with "
                f"`tritune promote {version} --force`"
            )
        text = f"{name} {version} is {stage}" + (f"\n\nForced: {reason}." if reason else "")
        commit = history.commits[version]
        tag = write_assignment(root, name, stage, commit=commit, message=text, events=history.events)
    replaced = f" in place of {previous}" if previous else ""
    forced = f" (forced: {reason})" if reason else ""
    said = f"{name} {version} is now the {stage}{replaced}{forced}; share it: git push origin '{tag}'"
    return Promotion(version, previous, stage, True, said)


def rollback(root: Path, stage: str = CHAMPION) -> Promotion:
    """Give a stage back to the version that held it before. Called again, it goes back one step more.

    No tag is deleted; going back is one more entry in the history.

    Raises:
        InputError: Nobody has the stage, or nobody held it before.
    """
    name = artifact_name(root)
    with _alone(root):
        history = History(name, read_events(root, name))
        current, earlier = history.holders.get(stage, ""), history.before(stage)
        if not current:
            raise InputError(
                f"no version of {name} is {stage}, so there is nothing to go back from; {history.next_move}"
            )
        if not earlier:
            raise InputError(
                f"{name} {current} is the {stage}, and no version held that stage before it; choose one with "
                "`tritune promote VERSION` (`tritune registry` lists them)"
            )
        text = f"{ROLLBACK} {name} {earlier} is {stage} again, in place of {current}"
        commit = history.commits[earlier]
        tag = write_assignment(root, name, stage, commit=commit, message=text, events=history.events)
    said = f"{name} {earlier} is the {stage} again, in place of {current}; share it: git push origin '{tag}'"
    return Promotion(earlier, current, stage, True, said)


def materialise(root: Path, reference: str) -> Path:
    """Return a folder with a registered model. `models/selected` itself stays as it is.

    Args:
        root: The project.
        reference: A stage (`champion`), a version (`v0.0.1`), or either behind the model's name
            (`classifier#champion`, `classifier@v0.0.1`).

    Raises:
        InputError: No such version or stage, or its files are neither in DVC's cache nor in a remote.
    """
    name = artifact_name(root)
    history = History(name, read_events(root, name))
    version = history.resolve(reference)
    commit = history.commits[version]
    content = hash_at(root, commit, MODEL)
    if content is None:
        raise InputError(
            f"{name} {version} was tagged on a commit whose dvc.lock has no {MODEL}; choose another version "
            "(`tritune registry` lists them)"
        )
    if holds(root, MODEL, content):
        return root / MODEL
    target = root / WORK / "registry" / f"{version}-{content[:8]}"
    try:
        fetch_output(root, commit, MODEL, target=target)
    except LookupError as error:
        raise InputError(
            f"the files of {name} {version} are neither in DVC's cache nor in a remote ({error}); where they "
            "are, run `dvc push` (`dvc remote add` sets a remote up), or make them again: "
            f"`git checkout {version_tag(name, version)}`, then `dvc repro`"
        ) from None
    return target


def artifact_name(root: Path) -> str:
    """Return the model's name: the key under `artifacts` in dvc.yaml whose path is `models/selected`.

    In a project below the repository's top the folder stands before it, as GTO has it: `folder:classifier`.

    Raises:
        InputError: There is no such key, GTO does not take it, or this is not a git repository.
    """
    from gto.constants import check_string_is_valid

    artifacts = read_yaml(root / "dvc.yaml").get("artifacts") or {}
    names = [key for key, value in artifacts.items() if (value or {}).get("path") == MODEL]
    if not names:
        raise InputError(
            f"dvc.yaml: nothing under `artifacts` has `path: {MODEL}`, so the model has no name to be "
            f"registered by; add `artifacts: {{classifier: {{path: {MODEL}, type: model}}}}`"
        )
    if not check_string_is_valid(names[0]):
        raise InputError(
            f"dvc.yaml: artifacts.{names[0]} is not a name for a model; use letters, digits, - and _, with a "
            "letter or digit first and last"
        )
    below = prefix(root).rstrip("/")
    return f"{below}:{names[0]}" if below else str(names[0])


def _register(root: Path, name: str, content: str) -> Registration:
    history = History(name, read_events(root, name))
    known = next((v for v, c in history.commits.items() if hash_at(root, c, MODEL) == content), None)
    if known and history.had_stage(known):
        stages = history.stages(known)
        role = f", the {stages[0]}" if stages else ""
        message = f"{name} {known}{role}: this model was registered before"
        return Registration(name, known, False, stages[0] if stages else "", message)
    if known:
        version, commit = known, history.commits[known]
    else:
        version = history.next_version
        text = _version_message(root, name, version)
        # GTO cannot read two versions on one commit; a deregistered one may sit on HEAD.
        taken = head(root) in {event.commit for event in history.events if event.version}
        commit = take_snapshot(root, message=f"Snapshot for {text}", always_new=taken)
        write_version(root, name, version, commit=commit, message=text)
    stage = CHALLENGER if history.holders.get(CHAMPION) else CHAMPION
    text = f"{name} {version} is {stage}"
    tag = write_assignment(root, name, stage, commit=commit, message=text, events=history.events)
    push = f"share it: git push origin '{version_tag(name, version)}' '{tag}', and dvc push"
    if stage == CHAMPION:
        message = f"{name} {version} is the {stage}; {push}"
    else:
        message = f"{name} {version} is a {stage}; make it the champion: tritune promote {version}; {push}"
    return Registration(name, version, known is None, stage, message)


def _scores(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Return the scores of the chosen model itself, not the mean over its method's seeds."""
    chosen = comparison.get("chosen", {})
    for method in comparison.get("methods", []):
        if method.get("method") != chosen.get("method"):
            continue
        own = [one for one in method.get("seeds", []) if one.get("seed") == chosen.get("seed")]
        source = own[0] if own else method
        return {split: source.get(split, {}) for split in ("validation", "test")}
    return {}


def _version_message(root: Path, name: str, version: str) -> str:
    path = root / COMPARISON
    comparison = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    chosen = comparison.get("chosen", {})
    made = f": {chosen['method']}, seed {chosen['seed']}" if {"method", "seed"} <= chosen.keys() else ""
    lines = [f"{name} {version}{made}", ""]
    for split, scores in _scores(comparison).items():
        lines += [f"{split} {metric}: {value:.6f}" for metric, value in sorted(scores.items())]
    return "\n".join(lines).strip()


def _gate(root: Path, version: str, champion: str, commits: Mapping[str, str]) -> str | None:
    project = read_project(root / "params.yaml")
    metric = project.compare.metric
    folder = TEST_ROWS.rpartition("/")[0]
    whole = {hash_at(root, commits[one], folder) for one in (version, champion)}
    # Equal folders hold equal files, also where nothing has their list any more.
    same = len(whole) == 1 and None not in whole
    candidate, holder = (
        Contender(
            one,
            _scores(json_at(root, commits[one], COMPARISON)).get("test", {}).get(metric),
            str(whole) if same else file_hash_at(root, commits[one], TEST_ROWS),
        )
        for one in (version, champion)
    )
    return objection(candidate, holder, metric=metric, margin=project.register_.margin)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Be the only process that changes the registry of this project inside the block."""
    try:
        with held(root / WORK / "locks" / "registry.lock", wait_seconds=SECONDS_FOR_OTHERS):
            yield
    except Busy as busy:
        raise InputError(
            f"the registry is being changed by process {busy.holder}; wait until it ends, then try again"
        ) from None
