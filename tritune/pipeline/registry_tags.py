"""The model registry as it lies in git: GTO's tags, read and written.

GTO's rules for names and numbers are its own functions'. Tags are written by git rather than through GTO's
API, for three reasons. A version and its stage appear together. `tag.gpgSign` and a missing identity do
not stop it. And every tag is a second younger than the one before: GTO and DVC order stages by the tags'
times, which count whole seconds, so two promotions within one second would be told apart by chance.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gto.constants import Action
from gto.tag import name_tag, parse_name
from gto.versions import SemVer

from tritune.errors import InputError
from tritune.pipeline.git import common_folder, git, identity, try_git

SECONDS_UNTIL_ABANDONED = 30.0
"""A lock on one tag is held for milliseconds; one that is older was left by a kill."""


@dataclass(frozen=True)
class Event:
    """One annotated tag of the registry."""

    tag: str
    action: Action
    commit: str
    seconds: int
    """Since 1970."""

    message: str
    version: str = ""
    """Of a (de)registration; for a stage, the version that its commit holds."""

    stage: str = ""
    number: int = 0
    """GTO's counter, which tells events of one second apart."""


@dataclass(frozen=True)
class Tags:
    """All events of one artifact, oldest first, and what follows from them."""

    artifact: str
    events: Sequence[Event]
    highest_number: int

    @property
    def registered(self) -> list[Event]:
        """The registration of each version that was not taken back, lowest version first."""
        last: dict[str, Event] = {}
        for event in self.events:
            if event.version and not event.stage:
                last[event.version] = event
        active = [event for event in last.values() if event.action == Action.REGISTER]
        return sorted(active, key=lambda event: SemVer(event.version))

    @property
    def next_version(self) -> str:
        """As GTO counts, but never a number that was in use and taken back."""
        used = [SemVer(event.version) for event in self.events if event.version and not event.stage]
        return str((max(used).bump_patch() if used else SemVer.get_minimal()).version)

    def assignments(self, stage: str) -> list[Event]:
        """Return the assignments of a stage that still hold, oldest first.

        Taking a stage from a version undoes that version's earlier assignments; so does deregistering it.
        """
        versions = {event.version for event in self.registered}
        kept: list[Event] = []
        for event in self.events:
            if event.stage != stage or event.version not in versions:
                continue
            if event.action == Action.UNASSIGN:
                kept = [other for other in kept if other.version != event.version]
            else:
                kept.append(event)
        return kept

    def holder(self, stage: str) -> str | None:
        """Return the version that has a stage now."""
        events = self.assignments(stage)
        return events[-1].version if events else None

    @property
    def stages(self) -> dict[str, str]:
        """Every stage that a version has now, and which."""
        names = sorted({event.stage for event in self.events if event.stage})
        return {name: version for name in names if (version := self.holder(name))}


def read_tags(root: Path, artifact: str) -> Tags:
    """Return the registry's tags for an artifact. Like GTO, leave lightweight tags out."""
    fields = ("refname:lstrip=2", "objecttype", "*objectname", "taggerdate:unix", "contents")
    form = "".join(f"%({field})%00" for field in fields)
    parts = git(root, "for-each-ref", f"--format={form}", "refs/tags").split("\0")
    events, highest = [], 0
    for i in range(0, len(parts) - len(fields) + 1, len(fields)):
        tag, kind, commit, seconds, message = (part.removeprefix("\n") for part in parts[i : i + len(fields)])
        parsed = parse_name(tag, raise_on_fail=False)
        if not parsed or parsed["name"] != artifact:
            continue
        number = parsed.get("counter", 0)
        highest = max(highest, number)
        if kind == "tag" and seconds:
            events.append(
                Event(
                    tag,
                    parsed["action"],
                    commit,
                    int(seconds),
                    message,
                    parsed.get("version", ""),
                    parsed.get("stage", ""),
                    number,
                )
            )
    events.sort(key=lambda event: (event.seconds, event.number))
    at = {event.commit: event.version for event in events if event.version}
    placed = [replace(event, version=at.get(event.commit, "")) if event.stage else event for event in events]
    return Tags(artifact, placed, highest)


def version_tag(artifact: str, version: str) -> str:
    return str(name_tag(Action.REGISTER, artifact, version=version, simple=True))


def stage_tag(tags: Tags, stage: str) -> str:
    """Return the name of the next assignment of a stage."""
    return f"{name_tag(Action.ASSIGN, tags.artifact, stage=stage, simple=True)}#{tags.highest_number + 1}"


def write_tags(root: Path, tags: Tags, new: Sequence[tuple[str, str, str]]) -> None:
    """Write annotated tags, all of them or none.

    Args:
        tags: What is there.
        new: Name, commit and message of each.

    Raises:
        InputError: One exists already, or git cannot write it.
    """
    seconds = max([int(time.time()), *(event.seconds + 1 for event in tags.events)])
    environment = identity(root, seconds=seconds)
    tagger = git(root, "var", "GIT_COMMITTER_IDENT", environment=environment)
    commands = []
    for name, commit, message in new:
        body = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message.rstrip()}\n"
        commands.append(f"create refs/tags/{name} {git(root, 'mktag', stdin=body)}\n")
        _remove_abandoned_lock(common_folder(root) / "refs/tags" / f"{name}.lock")
    try:
        git(root, "update-ref", "--stdin", stdin="".join(commands), environment=environment)
    except InputError:
        for name, _, _ in new:
            if try_git(root, "rev-parse", "--quiet", "--verify", f"refs/tags/{name}") is not None:
                raise InputError(
                    f"the tag {name} appeared at this moment, made by another process; try again"
                ) from None
        raise


def _remove_abandoned_lock(lock: Path) -> None:
    """Remove git's lock on a tag that nobody else would make, where a kill left it."""
    if lock.is_file() and time.time() - lock.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
        lock.unlink(missing_ok=True)
