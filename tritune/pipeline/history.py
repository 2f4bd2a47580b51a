"""What an artifact's tags add up to: its versions, who has which stage, and who had it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tritune.errors import InputError
from tritune.pipeline.tags import Event

CHAMPION, CHALLENGER = "champion", "challenger"

ROLLBACK = "Rollback:"
"""How the message of a tag begins that went back one step; all others go forward."""


@dataclass(frozen=True)
class History:
    """The tags of one artifact, read by GTO's rules."""

    name: str
    events: Sequence[Event]
    """Oldest first."""

    @cached_property
    def commits(self) -> dict[str, str]:
        """The commit of each version that is in force, highest version first."""
        from gto.versions import SemVer

        commits: dict[str, str] = {}
        for event in self.events:
            if event.action == "register":
                commits[event.version] = event.commit
            elif event.action == "deregister":
                commits.pop(event.version, None)
        return dict(sorted(commits.items(), key=lambda item: SemVer.parse(item[0]), reverse=True))

    @property
    def next_version(self) -> str:
        """The next number by GTO's rule: v0.0.1, then one patch higher than the highest ever used."""
        from gto.versions import SemVer

        used = [SemVer(event.version) for event in self.events if event.version]
        return str((max(used).bump_patch() if used else SemVer.get_minimal()).version)

    @cached_property
    def holders(self) -> dict[str, str]:
        """The version that has each stage."""
        held: dict[str, str] = {}
        for event in self.events:
            if event.action == "assign":
                held[event.stage] = event.commit
            elif event.action == "unassign" and held.get(event.stage) == event.commit:
                del held[event.stage]
        versions = {commit: version for version, commit in self.commits.items()}
        return {stage: versions[commit] for stage, commit in held.items() if commit in versions}

    def stages(self, version: str) -> tuple[str, ...]:
        """Return the stages of a version, champion first; a champion is no challenger any more."""
        stages = [stage for stage, holder in self.holders.items() if holder == version]
        if CHAMPION in stages:
            stages = [stage for stage in stages if stage != CHALLENGER]
        return tuple(sorted(stages, key=lambda stage: (stage != CHAMPION, stage)))

    def had_stage(self, version: str) -> bool:
        """Tell whether a version ever got any stage."""
        return any(event.stage and event.commit == self.commits[version] for event in self.events)

    def before(self, stage: str) -> str:
        """Return who held a stage before its holder; empty: nobody.

        The history is read as an undo list: what a rollback left is gone from it, so that one rollback after
        another goes back further and further.
        """
        versions = {commit: version for version, commit in self.commits.items()}
        line: list[str] = []
        for event in self.events:
            version = versions.get(event.commit)
            if event.stage != stage or event.action != "assign" or version is None:
                continue
            if event.message.startswith(ROLLBACK) and version in line:
                while line[-1] != version:
                    line.pop()
            elif line[-1:] != [version]:
                line.append(version)
        if line[-1:] == [self.holders.get(stage)]:
            line.pop()
        return line[-1] if line else ""

    def find(self, version: str) -> str:
        """Return a version's number for how a person may write it: `v0.0.1`, `0.0.1` or `NAME@v0.0.1`.

        Raises:
            InputError: There is no such version.
        """
        wanted = version.removeprefix(f"{self.name}@")
        for candidate in (wanted, f"v{wanted}"):
            if candidate in self.commits:
                return candidate
        raise InputError(f"{version}: no such version of {self.name}; {self.next_move}")

    def resolve(self, reference: str) -> str:
        """Return the version that a reference means: a stage, a version, `NAME#STAGE` or `NAME@VERSION`.

        Raises:
            InputError: There is no such stage or version, or the name is another one.
        """
        wanted = reference
        for mark in "#@":
            before, found, after = reference.partition(mark)
            if found and before != self.name:
                raise InputError(
                    f"{reference}: the registered model is called {self.name}; use {self.name}{mark}{after}"
                )
            wanted = after if found else wanted
        for candidate in (self.holders.get(wanted), wanted, f"v{wanted}"):
            if candidate in self.commits:
                return str(candidate)
        known = [*self.holders, *self.commits]
        listed = f"there are {', '.join(known)}" if known else self.next_move
        raise InputError(f"{reference}: no such stage or version of {self.name}; {listed}")

    @property
    def next_move(self) -> str:
        if self.commits:
            return f"registered are {', '.join(self.commits)}"
        return "none is registered yet: `tritune run` registers the first"
