"""The lines in which a training says how far it is, for a person to read and the flow to parse.

epoch 2/3  step 120/300  loss 0.412  85 examples/s  00:35 left
epoch 2/3 done  train_loss 0.4120  validation_loss 0.5100  accuracy 0.8100  macro_f1 0.8000  best
"""

import re
from dataclasses import dataclass, field

_STEP = re.compile(
    r"^epoch (\d+)/(\d+)  step (\d+)/(\d+)  loss (\S+)  (\S+) examples/s  (?:(\d+):)?(\d+):(\d\d) left$"
)
_EPOCH = re.compile(r"^epoch (\d+)/(\d+) done((?:  \w+ \S+)*)(  best)?$")


@dataclass(frozen=True)
class StepProgress:
    """Where a training is inside an epoch."""

    epoch: int
    epochs: int
    step: int
    """Optimizer steps taken, of all epochs."""

    steps: int
    """Of all epochs."""

    loss: float
    examples_per_second: float
    seconds_left: int

    def __str__(self) -> str:
        hours, rest = divmod(self.seconds_left, 3600)
        left = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"
        speed = self.examples_per_second
        return (
            f"epoch {self.epoch}/{self.epochs}  step {self.step}/{self.steps}  loss {self.loss:.3f}  "
            f"{speed:.{0 if speed >= 10 else 1}f} examples/s  {left} left"
        )


@dataclass(frozen=True)
class EpochProgress:
    """How good the model is after an epoch."""

    epoch: int
    epochs: int
    scores: dict[str, float] = field(default_factory=dict)
    """By name, without `validation_` before the metrics' names; a loss keeps its full name."""

    best: bool = False
    """The best epoch so far: its weights are kept."""

    def __str__(self) -> str:
        scores = "".join(f"  {name} {value:.4f}" for name, value in self.scores.items())
        return f"epoch {self.epoch}/{self.epochs} done{scores}{'  best' if self.best else ''}"


def parse_progress(line: str) -> StepProgress | EpochProgress | None:
    """Return what a line of a stage's output says about progress; None for any other line."""
    line = line.rstrip("\r\n")
    if match := _STEP.match(line):
        epoch, epochs, step, steps, loss, speed, hours, minutes, seconds = match.groups()
        return StepProgress(
            epoch=int(epoch),
            epochs=int(epochs),
            step=int(step),
            steps=int(steps),
            loss=float(loss),
            examples_per_second=float(speed),
            seconds_left=int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds),
        )
    if match := _EPOCH.match(line):
        words = match[3].split()
        scores = {name: float(value) for name, value in zip(words[::2], words[1::2], strict=True)}
        return EpochProgress(int(match[1]), int(match[2]), scores, bool(match[4]))
    return None


def seconds_left(*, steps_done: int, steps_in_all: int, steps_timed: int, seconds: float) -> int:
    """Return the whole seconds that the remaining steps take at the speed of the timed ones."""
    if steps_timed <= 0:
        return 0
    return round((steps_in_all - steps_done) * seconds / steps_timed)
