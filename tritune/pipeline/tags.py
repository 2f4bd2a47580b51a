"""The registry's history: git tags by GTO's rules, `NAME@v1.2.0` a version, `NAME#champion#3` a stage given.

GTO and `dvc artifacts get` order tags by their time, in whole seconds. We write tags with git, not by GTO's
own function: that takes the clock as it is, so that two assignments in one second have no order, and it
tries to sign where `tag.gpgSign` is set.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tritune.pipeline.git import GitFailed, git, identity

_FIELD, _RECORD = "\x1f", "\x1e"


@dataclass(frozen=True)
class Event:
    """One tag."""

    tag: str
    commit: str
    seconds: int
    """Since 1970, when it was made."""

    message: str
    action: str
    """GTO's word: register, deregister, assign, unassign, deprecate."""

    version: str = ""
    stage: str = ""
    count: int = 0


class TagExists(Exception):
    """Somebody else made the tag in the meantime."""


def read_events(root: Path, name: str) -> list[Event]:
    """Return all tags of an artifact, oldest first. Lightweight tags do not count, as in GTO."""
    from gto.tag import parse_name

    fields = ("refname:strip=2", "objecttype", "*objectname", "taggerdate:unix", "contents")
    shape = _FIELD.join(f"%({field})" for field in fields) + _RECORD
    events = []
    for record in git(root, "for-each-ref", f"--format={shape}", "refs/tags").split(_RECORD):
        tag, kind, commit, seconds, message = (record.lstrip("\n").split(_FIELD) + [""] * 5)[:5]
        parsed = parse_name(tag, raise_on_fail=False)
        if kind != "tag" or not parsed or parsed["name"] != name:
            continue
        events.append(
            Event(
                tag,
                commit,
                int(seconds or 0),
                message.strip(),
                parsed["action"].value,
                parsed.get("version", ""),
                parsed.get("stage", ""),
                parsed.get("counter", 0),
            )
        )
    return sorted(events, key=lambda event: (event.seconds, event.count))


def version_tag(name: str, version: str) -> str:
    """Return the tag of a version: `classifier@v0.0.1`."""
    from gto.constants import Action
    from gto.tag import name_tag

    return str(name_tag(Action.REGISTER, name, version=version, simple=True))


def write_version(root: Path, name: str, version: str, *, commit: str, message: str) -> str:
    """Make the tag of a version and return its name.

    Raises:
        TagExists: There is one already.
    """
    tag = version_tag(name, version)
    return _write(root, tag, commit=commit, message=message, seconds=int(time.time()))


def write_assignment(
    root: Path, name: str, stage: str, *, commit: str, message: str, events: Sequence[Event]
) -> str:
    """Make the tag that gives a stage to a version's commit and return its name.

    Args:
        root: The project.
        name: Of the artifact.
        stage: For example `champion`.
        commit: Of the version.
        message: Of the tag.
        events: The artifact's tags so far. The new one is later than all, also when the clock went back.

    Raises:
        TagExists: Somebody else made one in the meantime.
    """
    from gto.constants import Action
    from gto.tag import name_tag

    count = max((event.count for event in events), default=0) + 1
    tag = f"{name_tag(Action.ASSIGN, name, stage=stage, simple=True)}#{count}"
    last = max((event.seconds for event in events if event.stage), default=0)
    return _write(root, tag, commit=commit, message=message, seconds=max(int(time.time()), last + 1))


def _write(root: Path, tag: str, *, commit: str, message: str, seconds: int) -> str:
    dated = identity(root) | {"GIT_COMMITTER_DATE": f"@{seconds} +0000"}
    try:
        git(root, "tag", "--annotate", "--no-sign", "-m", message, tag, commit, environment=dated)
    except GitFailed:
        if git(root, "tag", "--list", tag):
            raise TagExists(tag) from None
        raise
    return tag
