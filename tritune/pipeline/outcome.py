"""How a stage ended: up to date, in one of three ways, or failed, and how to run only it again."""

import contextlib
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """How a stage became up to date."""

    stage: str
    state: Literal["Cached", "Restored", "Completed"]
    """Cached: nothing to do. Restored: outputs came from the run-cache. Completed: its body ran."""

    message: str
    key: str | None = None
    """DVC's run-cache key, where the body ran."""

    warnings: tuple[str, ...] = ()
    """What the body found worth a second look, for example a loss that did not move."""


class StageFailed(Exception):
    """A stage did not become up to date."""

    def __init__(
        self,
        stage: str,
        error: str,
        *,
        users_error: bool = False,
        busy: bool = False,
        stopped: bool = False,
    ) -> None:
        super().__init__(stage, error)
        self.stage = stage
        self.error = error
        """The stage's own error, without DVC's words around it."""

        self.users_error = users_error
        """The stage ended with exit code 2: something the user gave is wrong."""

        self.busy = busy
        """Another process had the stage; trying again later may help."""

        self.stopped = stopped
        """We ended it ourselves: nothing is wrong with the stage."""

        self.command = rerun_command(stage)
        """Runs only this stage again."""

    @property
    def summary(self) -> str:
        """The error in short: of a traceback its last line; what the user is to mend is told in full."""
        if self.users_error:
            return self.error
        lines = self.error.splitlines() or [""]
        return lines[-1] if lines[0].startswith("Traceback") else lines[0]

    def __str__(self) -> str:
        again = f"{self.stage} failed: {self.summary}\nrun only this stage again: {self.command}"
        # A stage alone would read the copy that `fetch` made, not the file that the user mended.
        return f"{again}\nafter mending data or model: tritune run" if self.users_error else again


def rerun_command(stage: str) -> str:
    """Return what to type to run one stage again, also where the environment is not activated."""
    folder = Path(sys.executable).parent
    command = f"dvc repro -s {shlex.quote(stage)}"
    if shutil.which("dvc") == str(folder / "dvc"):
        return command
    with contextlib.suppress(ValueError):
        folder = folder.relative_to(Path.cwd())
    return (
        f'PATH="{folder}:$PATH" {command}'
        if folder.is_absolute()
        else f'PATH="$PWD/{folder}:$PATH" {command}'
    )
