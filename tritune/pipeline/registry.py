"""The model registry: versions of the model to ship, and which of them is the champion.

Kept by GTO, DVC's own registry, as git tags `NAME@v0.0.1` and `NAME#champion#1`: `gto show`, `gto
history` and `dvc artifacts get . NAME --stage champion` see the same. No tag is deleted or pushed here.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.git import common_folder
from tritune.pipeline.locks import alone
from tritune.pipeline.model_files import folder_of_output
from tritune.pipeline.registered_version import (
    CHALLENGER,
    CHAMPION,
    MODEL,
    RegisteredVersion,
    annotation,
    contents_of,
    describe,
    locked_hash,
)
from tritune.pipeline.registry_tags import Event, Tags, read_tags, stage_tag, version_tag, write_tags
from tritune.pipeline.snapshot import take_snapshot
from tritune.settings.project import read_yaml

SECONDS_FOR_ANOTHER = 120.0
"""How long another process may take to register or promote."""

_ROLLED_BACK = "Rolled back to"
"""Begins the message of an assignment that goes back, so that the next rollback goes further."""


@dataclass(frozen=True)
class Registration:
    """What became of a call to `register`."""

    name: str
    version: str
    created: bool
    """False: this model had the version before."""

    stage: str
    """The stage that the version has now; empty: none."""

    message: str
    """What happened and what to do next, in one line."""


@dataclass(frozen=True)
class Promotion:
    """A stage that went from one version to another."""

    version: str
    stage: str
    replaced: str | None
    changed: bool
    """False: the version had the stage already, or it may not replace the one that has it."""

    message: str


def register(root: Path) -> Registration:
    """Give the selected model a version, unless it has one.

    The first version becomes champion, later ones challenger.

    Raises:
        InputError: There is no model, or the results are not what dvc.lock says.
    """
    name = artifact_name(root)
    lock = root / "dvc.lock"
    content = locked_hash(lock.read_bytes()) if lock.is_file() else ""
    if not content or not (root / MODEL).is_dir():
        raise InputError(f"there is no {MODEL} to register; make it with `tritune run`")
    with _alone(root):
        tags = read_tags(root, name)
        known = dict(zip(contents_of(root, tags.registered), tags.registered, strict=True))
        if content in known:
            return _known(root, tags, known[content])
        version = tags.next_version
        stage = CHALLENGER if tags.holder(CHAMPION) else CHAMPION
        # GTO takes one version a commit, and a version that was taken back keeps its tag.
        commit = take_snapshot(
            root,
            output=MODEL,
            message=f"Snapshot for {name} {version}",
            unlike={event.commit for event in tags.events},
        )
        new = [
            (
                version_tag(name, version),
                commit,
                annotation(root, name=name, version=version, content=content),
            ),
            (stage_tag(tags, stage), commit, f"{version} is the {stage}"),
        ]
        write_tags(root, tags, new)
    first = "the champion, as there was none to replace" if stage == CHAMPION else f"a {CHALLENGER}"
    promote_it = "" if stage == CHAMPION else f"; make it the champion with `tritune promote {version}`"
    share = f"`git push origin {' '.join(tag for tag, _, _ in new)}` and `dvc push`"
    message = f"{name} {version} is {first}{promote_it}; nothing is pushed by itself: share it with {share}"
    return Registration(name, version, True, stage, message)


def versions(root: Path) -> list[RegisteredVersion]:
    """Return all registered versions, the highest first; none if nothing was registered yet."""
    tags = read_tags(root, artifact_name(root))
    return describe(root, tags, tags.registered[::-1])


def promote(
    root: Path, version: str, *, stage: str = CHAMPION, because: str = "", instead_of: str = ""
) -> Promotion:
    """Give a stage to a version. Whether it may have it, `flows.gate` finds out before.

    Args:
        because: What speaks for it; it goes into the tag.
        instead_of: The version that it was compared with; where another has the stage now, nothing happens.

    Raises:
        InputError: No such version.
    """
    name = artifact_name(root)
    with _alone(root):
        tags = read_tags(root, name)
        event = _find_version(tags, version)
        before = tags.holder(stage)
        if before == event.version:
            return Promotion(before, stage, before, False, f"{name} {before} is the {stage} already")
        if instead_of and before != instead_of:
            now = f"{before or 'no version'} is the {stage} now and no longer {instead_of}, with which"
            return Promotion(
                event.version,
                stage,
                before,
                False,
                f"{now} {event.version} was compared; nothing is promoted",
            )
        why = f": {because}" if because else ""
        return _assign(root, tags, event, stage, f"Promoted {event.version} to {stage}{why}")


def rollback(root: Path, stage: str = CHAMPION) -> Promotion:
    """Give a stage back to the version that had it before. Called again, it goes one further back.

    Raises:
        InputError: No version had it before.
    """
    name = artifact_name(root)
    with _alone(root):
        tags = read_tags(root, name)
        line = _line_of_holders(tags, stage)
        if not line:
            raise InputError(f"no version of {name} has been {stage}; {_what_there_is(tags)}")
        if len(line) == 1:
            raise InputError(
                f"{name} {line[0]} is the {stage}, and before it there was none to go back to; "
                "another version takes its place with `tritune promote VERSION`"
            )
        event = _find_version(tags, line[-2])
        return _assign(root, tags, event, stage, f"{_ROLLED_BACK} {line[-2]} from {line[-1]}")


def has_been(root: Path, version: str, stage: str = CHAMPION) -> bool:
    """Tell whether a version has or had a stage, whatever became of it since."""
    tags = read_tags(root, artifact_name(root))
    return any(event.stage == stage and event.version == version for event in tags.events)


def materialise(root: Path, reference: str) -> Path:
    """Return a folder with a registered model; it is fetched from DVC's cache or remote where it must be.

    Args:
        reference: A stage (`champion`), a version (`v0.0.1`), `NAME@v0.0.1` or `NAME#champion`.

    Raises:
        InputError: There is no such version, or its files cannot be had.
    """
    _, event = find(root, reference)
    (content,) = contents_of(root, [event])
    if not content:
        raise InputError(f"{event.tag}: its commit {event.commit[:10]} has no {MODEL} in dvc.lock")
    return folder_of_output(root, output=MODEL, content=content, commit=event.commit, version=event.version)


def find(root: Path, reference: str) -> tuple[Tags, Event]:
    """Return the registry's tags and the registration of a version, named as in `materialise`.

    Raises:
        InputError: There is no such version.
    """
    tags = read_tags(root, artifact_name(root))
    return tags, _resolve(tags, reference)


def artifact_name(root: Path) -> str:
    """Return the name under which dvc.yaml lists the selected model.

    Raises:
        InputError: It lists none, or the name is not one for GTO.
    """
    from gto.constants import check_string_is_valid

    common_folder(root)
    listed = read_yaml(root / "dvc.yaml").get("artifacts") or {}
    for name, entry in listed.items():
        if isinstance(entry, Mapping) and Path(str(entry.get("path"))).as_posix() == MODEL:
            if not check_string_is_valid(str(name)):
                raise InputError(
                    f"dvc.yaml, artifacts: {name!r} cannot name versions; use letters, digits, - and _, a "
                    "letter or digit first and last"
                )
            return str(name)
    raise InputError(
        f"dvc.yaml: no entry under `artifacts:` has the path {MODEL}, so that its versions have no name; add "
        f"one, for example `classifier: {{path: {MODEL}, type: model}}`"
    )


def _alone(root: Path) -> contextlib.AbstractContextManager[None]:
    return alone(
        # Tags belong to all work trees of a repository; so does the lock.
        common_folder(root) / "tritune-registry.lock",
        wait_seconds=SECONDS_FOR_ANOTHER,
        otherwise=lambda process: (
            f"another process ({process}) is changing the registry; wait until it ends, then try again"
        ),
    )


def _known(root: Path, tags: Tags, event: Event) -> Registration:
    """Return a version that exists; give it the stage that it lacks where only its tag was written."""
    stages = [stage for stage, version in tags.stages.items() if version == event.version]
    if not stages and not any(e.stage and e.version == event.version for e in tags.events):
        stages = [CHALLENGER if tags.holder(CHAMPION) else CHAMPION]
        _assign(root, tags, event, stages[0], f"{event.version} is the {stages[0]}")
    stage = CHAMPION if CHAMPION in stages else next(iter(stages), "")
    known_as = f"{event.version} ({stage})" if stage else event.version
    message = f"this model is {tags.artifact} {known_as} already"
    return Registration(tags.artifact, event.version, False, stage, message)


def _assign(root: Path, tags: Tags, event: Event, stage: str, message: str) -> Promotion:
    before = tags.holder(stage)
    tag = stage_tag(tags, stage)
    write_tags(root, tags, [(tag, event.commit, message)])
    instead = f" instead of {before}" if before else ""
    told = (
        f"{tags.artifact} {event.version} is now the {stage}{instead}; share it with `git push origin {tag}`"
    )
    return Promotion(event.version, stage, before, True, told)


def _line_of_holders(tags: Tags, stage: str) -> list[str]:
    """Return the versions that led to the present holder, each promoted over the one before it."""
    line: list[str] = []
    for event in tags.assignments(stage):
        if event.message.startswith(_ROLLED_BACK) and event.version in line:
            while line[-1] != event.version:
                line.pop()
        elif line[-1:] != [event.version]:
            line.append(event.version)
    return line


def _resolve(tags: Tags, reference: str) -> Event:
    name, mark, rest = reference.rpartition("#" if "#" in reference else "@")
    if mark and name != tags.artifact:
        raise InputError(f"{reference}: {name or 'an empty name'} is not in this registry; "
                         f"it holds {tags.artifact}, so write {tags.artifact}{mark}{rest}")  # fmt: skip
    if mark != "#" and (mark == "@" or re.fullmatch(r"v?\d+\.\d+.*", rest)):
        return _find_version(tags, rest)
    if holder := tags.holder(rest):
        return _find_version(tags, holder)
    raise InputError(
        f"{reference}: no such folder, and no registered version has the stage {rest!r}; "
        f"{_what_there_is(tags)}"
    )


def _find_version(tags: Tags, version: str) -> Event:
    wanted = version.removeprefix(f"{tags.artifact}@")
    wanted = f"v{wanted}" if wanted[:1].isdigit() else wanted
    for event in tags.registered:
        if event.version == wanted:
            return event
    raise InputError(f"{tags.artifact} has no version {version}; {_what_there_is(tags)}")


def _what_there_is(tags: Tags) -> str:
    held_by: dict[str | None, list[str]] = {event.version: [] for event in reversed(tags.registered)}
    for stage, version in tags.stages.items():
        held_by[version].append(stage)
    listed = [f"{version} ({', '.join(own)})" if own else str(version) for version, own in held_by.items()]
    if not listed:
        return "no version is registered yet; `tritune run` registers the model it selects"
    more = f" and {len(listed) - 10} earlier ones" if len(listed) > 10 else ""
    return f"registered are {', '.join(listed[:10])}{more}"
