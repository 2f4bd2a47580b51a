"""What the tasks of one flow run share: the processes it started, the screen, and how each stage ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from flows.display import Display
from flows.sources import stale_sources
from tritune.pipeline.dag import Stage
from tritune.pipeline.forked import ForkServer
from tritune.pipeline.outcome import Outcome, StageFailed
from tritune.settings.project import Project


class Runner(Protocol):
    """Brings stages up to date, from several threads: `StageRunner` here, `PoolRunner` by other machines."""

    def bring_up_to_date(
        self, stage: Stage, *, force: bool = False, emit: Callable[[str], None] = print
    ) -> Outcome: ...

    def stop(self) -> None: ...


@dataclass
class Execution:
    """One run of the pipeline. Prefect copies the context into its threads, so tasks find it there."""

    root: Path
    stages: Sequence[Stage]
    """In an order that respects what they need, with DVC's verdicts."""

    forced: Mapping[str, str]
    """Stages whose body runs whatever DVC says, with the reason."""

    display: Display
    source_changes: Callable[[], Mapping[str, str]] = dict
    """Asked after DVC brought a stage back: which stages' sources differ from what was fetched, and why."""

    pool: str = ""
    """Prefect work pool whose workers train; empty: this machine does."""

    server: ForkServer | None = None
    """Starts the stages' processes here; None: each is started anew."""

    runner: Runner | None = None
    """None until the flow run has an id, and so a folder for receipts."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, StageFailed] = field(default_factory=dict)
    registration: Any = None
    registration_error: Exception | None = None
    cancelled: bool = False
    began: float = field(default_factory=time.monotonic)

    def succeeded(self, outcome: Outcome, *, seconds: float | None = None) -> None:
        """Record how a stage became up to date, and show it."""
        self.outcomes[outcome.stage] = outcome
        took = "" if seconds is None else f" ({seconds:.1f} s)"
        self.display.finished(outcome.stage, outcome.state, f"{outcome.message}{took}")

    def failed(self, failure: StageFailed) -> None:
        """Record that a stage failed or was stopped, and show its own error."""
        self.failures[failure.stage] = failure
        if failure.stopped:
            self.display.finished(failure.stage, "Stopped", "")
        else:
            self.display.finished(failure.stage, "Failed", failure.summary)


_current: ContextVar[Execution] = ContextVar("execution")


def begin(
    project: Project,
    *,
    root: Path,
    stages: Sequence[Stage],
    forced: Mapping[str, str],
    display: Display,
    pool: str = "",
    server: ForkServer | None = None,
) -> Execution:
    """Return a new execution, and make it the one that flow and tasks work for.

    Args:
        project: The parameters as the run began; sources that differ from what was fetched are theirs.
    """
    execution = Execution(
        root=root,
        stages=stages,
        forced=forced,
        display=display,
        pool=pool,
        server=server,
        source_changes=lambda: stale_sources(project, root=root),
    )
    _current.set(execution)
    return execution


def current() -> Execution:
    """Return the execution that the calling flow or task works for."""
    return _current.get()
