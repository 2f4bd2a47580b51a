"""A run on the screen: a bar per stage, a line per event; plain lines where there is no terminal."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from tritune.metrics.catalogue import metric_title
from tritune.training.progress import EpochProgress, StepProgress, parse_progress

SECONDS_BETWEEN_PLAIN_LINES = 10.0


class Display:
    """Shows several stages at once; methods may be called from any thread. Use it as a context manager."""

    def __init__(
        self, console: Console, *, metric: str = "macro_f1", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args:
        metric: Which validation score to show after an epoch; Prefect's log has all of them.
        """
        self._console = console
        self._metric = metric
        self._clock = clock
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._last_line: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            # The bar gives way in a narrow terminal, the numbers do not.
            _Details(table_column=Column(no_wrap=True)),
            console=console,
            refresh_per_second=4,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._print(escape(text))

    def started(self, stage: str) -> None:
        """Show a bar that counts the seconds until the stage tells how far it is."""
        if self._console.is_terminal:
            self._bar(stage)

    def line(self, stage: str, text: str) -> None:
        """Show a line that a stage printed: progress moves its bar, the rest is printed."""
        progress = parse_progress(text)
        if isinstance(progress, EpochProgress):
            self._print_line(stage, epoch_line(progress, metric=self._metric))
        elif progress is None:
            self._print_line(stage, text)
        elif self._console.is_terminal:
            self._move_bar(stage, progress)
        elif self._due(stage):
            self._print_line(stage, text)

    def finished(self, stage: str, state: str, message: str) -> None:
        """Print how a stage ended, and take its bar away."""
        with self._lock:
            bar = self._bars.pop(stage, None)
        if bar is not None:
            self._progress.remove_task(bar)
        color = {"Failed": "red", "NotReady": "yellow", "Stopped": "yellow"}.get(state, "green")
        self._print(f"[bold]{escape(stage)}[/bold]  [{color}]{state}[/{color}]  {escape(message)}".rstrip())

    def _print_line(self, stage: str, text: str) -> None:
        self._print(f"[dim]{escape(stage)} |[/dim] {escape(text)}")

    def _print(self, marked_up: str) -> None:
        # A terminal breaks long lines between words; a file or a pipe gets them whole.
        self._console.print(marked_up, highlight=False, soft_wrap=not self._console.is_terminal)

    def _bar(self, stage: str) -> TaskID:
        with self._lock:
            if stage not in self._bars:
                self._bars[stage] = self._progress.add_task(stage, total=None, details="")
            return self._bars[stage]

    def _move_bar(self, stage: str, progress: StepProgress) -> None:
        details = (
            f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.3f}  "
            f"{progress.examples_per_second:.0f} examples/s  {_clock_time(progress.seconds_left)} left"
        )
        self._progress.update(
            self._bar(stage), completed=progress.step, total=progress.steps, details=details
        )

    def _due(self, stage: str) -> bool:
        with self._lock:
            now = self._clock()
            if now - self._last_line.get(stage, -SECONDS_BETWEEN_PLAIN_LINES) < SECONDS_BETWEEN_PLAIN_LINES:
                return False
            self._last_line[stage] = now
            return True


class _Details(ProgressColumn):
    """How far a training is; of any other stage, for how long it has been running."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["details"] or _clock_time(int(task.elapsed or 0)), overflow="ellipsis")


def epoch_line(progress: EpochProgress, *, metric: str) -> str:
    """Return what a person wants to know after an epoch: both losses and one score."""
    scores = progress.scores
    parts = [f"epoch {progress.epoch}/{progress.epochs}"]
    if "train_loss" in scores:
        parts.append(f"loss {scores['train_loss']:.3f}")
    validation = {"loss": scores.get("validation_loss"), metric_title(metric): scores.get(metric)}
    if shown := ", ".join(f"{name} {value:.3f}" for name, value in validation.items() if value is not None):
        parts.append(f"validation {shown}")
    if progress.best:
        parts.append("best")
    return "  ".join(parts)


def _clock_time(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
