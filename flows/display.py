"""A run on the screen: a bar per training, a line per event; plain lines where there is no terminal."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tritune.training.progress import StepProgress, parse_progress

SECONDS_BETWEEN_PLAIN_LINES = 10.0


class Display:
    """Shows several stages at once; methods may be called from any thread. Use it as a context manager."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._last_line: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[details]}"),
            console=console,
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
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def line(self, stage: str, text: str) -> None:
        """Show a line that a stage printed: progress moves its bar, the rest is printed."""
        progress = parse_progress(text)
        if not isinstance(progress, StepProgress):
            self._print(stage, text)
        elif self._console.is_terminal:
            self._move_bar(stage, progress)
        elif self._due(stage):
            self._print(stage, text)

    def finished(self, stage: str, state: str, message: str) -> None:
        """Print how a stage ended, and take its bar away."""
        with self._lock:
            bar = self._bars.pop(stage, None)
        if bar is not None:
            self._progress.remove_task(bar)
        color = {"Failed": "red", "NotReady": "yellow", "Stopped": "yellow"}.get(state, "green")
        self._console.print(
            f"[bold]{escape(stage)}[/bold]  [{color}]{state}[/{color}]  {escape(message)}",
            highlight=False,
            soft_wrap=True,
        )

    def _print(self, stage: str, text: str) -> None:
        self._console.print(f"[dim]{escape(stage)} |[/dim] {escape(text)}", highlight=False, soft_wrap=True)

    def _move_bar(self, stage: str, progress: StepProgress) -> None:
        minutes, seconds = divmod(progress.seconds_left, 60)
        details = (
            f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.3f}  "
            f"{progress.examples_per_second:.0f} examples/s  {minutes}:{seconds:02d} left"
        )
        with self._lock:
            if stage not in self._bars:
                self._bars[stage] = self._progress.add_task(stage, total=progress.steps, details="")
            self._progress.update(
                self._bars[stage], completed=progress.step, total=progress.steps, details=details
            )

    def _due(self, stage: str) -> bool:
        with self._lock:
            now = self._clock()
            if now - self._last_line.get(stage, -SECONDS_BETWEEN_PLAIN_LINES) < SECONDS_BETWEEN_PLAIN_LINES:
                return False
            self._last_line[stage] = now
            return True
