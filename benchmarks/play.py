"""A project played night after night by the real commands, and what must hold after each of them."""

import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.fresh_clone import Clone
from benchmarks.labelled_rows import Labelled
from tritune.pipeline.decisions import Decision, read_decisions
from tritune.pipeline.registered_version import CHAMPION
from tritune.pipeline.registry import versions

FOLDER = "tickets"
SECONDS_TO_END = 60.0
"""How long a process may outlive the command that started it."""

LONGEST = 1800.0
"""Seconds that a command may take."""


class Broken(Exception):
    """Something that must hold after a command does not."""


@dataclass(frozen=True)
class Act:
    """One command of a night."""

    command: str
    code: int
    seconds: float
    said: str
    """All that it printed."""


@dataclass
class Night:
    """What became of one night."""

    title: str
    story: str
    acts: list[Act] = field(default_factory=list)
    decision: Decision | None = None
    champion: str = ""
    training_rows: int = 0
    test_rows: int = 0


@dataclass
class Play:
    """A project in a clone, whose user has a folder with train.csv and test.csv."""

    clone: Clone
    train: list[Labelled]
    """What lies in train.csv."""

    test: list[Labelled]
    reserve: list[Labelled]
    """Rows that have not come in yet."""

    newcomers: Sequence[Labelled] = ()
    """Training rows of a class that nobody has heard of yet."""

    newcomers_test: Sequence[Labelled] = ()
    """Its test rows."""

    night: Night = field(default_factory=lambda: Night("", ""))

    def put(self, train: Sequence[Labelled], test: Sequence[Labelled] | None = None) -> None:
        """Have these rows, and no others, lie in the user's files."""
        self.train, self.test = list(train), self.test if test is None else list(test)
        for split, rows in (("train", self.train), ("test", self.test)):
            path = self.clone.folder / FOLDER / f"{split}.csv"
            path.parent.mkdir(exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "label"), *rows])

    def take(self, count: int, *, labels: Sequence[str] = ()) -> list[Labelled]:
        """Return rows that have not come in yet, of these labels only if some are named."""
        wanted = [row for row in self.reserve if not labels or row[1] in labels][:count]
        must(len(wanted) == count, f"the data have {len(wanted)} rows left where {count} are to come in")
        taken = set(wanted)
        self.reserve = [row for row in self.reserve if row not in taken]
        return wanted

    @property
    def champion(self) -> str:
        """The version that is in production."""
        found = versions(self.clone.folder)
        return next((one.version for one in found if CHAMPION in one.stages), "")

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run a `tritune` command, see that it leaves nothing behind, and return what it printed.

        Raises:
            Broken: Another exit code than `code`, a file of the user's changed, or something is left.
        """
        before = self.clone.users_files()
        began = time.monotonic()
        done = self.clone.tritune(*arguments, timeout=LONGEST)
        self._ended(" ".join(arguments), done.returncode, began, done.stdout + done.stderr)
        must(
            done.returncode == code,
            f"exit code {done.returncode} and not {code}:\n{done.stdout}{done.stderr}",
        )
        self._nothing_is_left(before)
        return done.stdout + done.stderr

    def retrain(self, *outcomes: str) -> Decision:
        """Run `tritune retrain` and return its decision, which has to be one of `outcomes`.

        Raises:
            Broken: It decided otherwise, said something else than it wrote down, or the champion is not the
                one that follows from it.
        """
        known, champion = len(read_decisions(self.clone.folder)), self.champion
        said = self.command("retrain", code=2 if "failed" in outcomes else 0)
        decisions = read_decisions(self.clone.folder)
        must(len(decisions) == known + 1, f"{len(decisions) - known} decisions were written down, not one")
        decision = self.night.decision = decisions[0]
        told = "error" if decision.outcome == "failed" else decision.outcome
        must(decision.outcome in outcomes, f"{decision.outcome} and not {outcomes}: {decision.reason}")
        must(f"{told}: {decision.reason}" in said, f"it said something else than it wrote down:\n{said}")
        expected = decision.version if decision.outcome == "promoted" else champion
        must(self.champion == expected, f"the champion is {self.champion} and not {expected}")
        return decision

    def retrain_killed(self, *, when: Callable[[], bool]) -> None:
        """Start `tritune retrain` and end it by SIGKILL as soon as `when` holds.

        Raises:
            Broken: It ended before, changed a file of the user's or decided something, or a process is left.
        """
        before, known = self.clone.users_files(), len(read_decisions(self.clone.folder))
        began = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:  # a pipe that nobody reads would fill
            started = self.clone.start("retrain", output=output)
            try:
                while (code := started.poll()) is None and not when():
                    must(time.monotonic() - began < LONGEST, "there was never anything to kill")
                    time.sleep(0.2)
            finally:
                started.kill()
                started.wait()
            output.seek(0)
            said = output.read()
        must(code is None, f"it ended before it could be killed, with exit code {code}:\n{said}")
        self._ended("retrain, ended by SIGKILL", started.returncode, began, said)
        self._no_process_is_left()
        must(self.clone.users_files() == before, "a file of the user's changed")
        must(len(read_decisions(self.clone.folder)) == known, "a killed night wrote a decision down")

    def trains(self) -> bool:
        """Tell whether a training has written a checkpoint that another can go on from."""
        scratch = self.clone.folder / ".dvc/tmp/tritune/retrain/scratch"
        return any(scratch.rglob("step-*"))

    def trains_or_has_trained(self) -> bool:
        """Tell whether a training can be gone on from, or was too quick for that and is over."""
        commands = self.clone.processes().values()
        return self.trains() or any(command[2:4] == ["tasks", "evaluate"] for command in commands)

    def _ended(self, command: str, code: int, began: float, said: str) -> None:
        self.night.acts.append(Act(f"tritune {command}", code, time.monotonic() - began, said))

    def _nothing_is_left(self, before: dict[str, str]) -> None:
        after = self.clone.users_files()
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        must(not changed, f"it changed {', '.join(changed)}")
        self._no_process_is_left()
        must(not (left := self.clone.half_done()), f"it left {left}")

    def _no_process_is_left(self) -> None:
        end = time.monotonic() + SECONDS_TO_END
        while left := self.clone.processes():
            must(time.monotonic() < end, f"it left processes: {left}")
            time.sleep(0.2)


Scene = Callable[[Play], None]


def play(story: Sequence[Scene], project: Play, *, tell: Callable[[str], None]) -> list[Night]:
    """Play nights one after the other and return what became of each.

    Args:
        tell: Is given a line after each night.

    Raises:
        Broken: Something that must hold does not; which night it was is in the message.
    """
    nights = []
    for number, scene in enumerate(story, start=1):
        title, _, text = " ".join((scene.__doc__ or "").split()).partition(". ")
        project.night = Night(title, text)
        try:
            scene(project)
        except Broken as error:
            raise Broken(f"night {number}, {title}: {error}") from None
        night = project.night
        night.champion = project.champion
        night.training_rows, night.test_rows = len(project.train), len(project.test)
        nights.append(night)
        seconds = sum(act.seconds for act in night.acts)
        outcome = night.decision.outcome if night.decision else "no decision"
        tell(f"night {number}, {title}: {outcome}, the champion is {night.champion} ({seconds:.0f} s)")
    return nights


def must(holds: bool, otherwise: str) -> None:
    """Raise Broken where something does not hold, and say what.

    Raises:
        Broken: It does not hold.
    """
    if not holds:
        raise Broken(otherwise)
