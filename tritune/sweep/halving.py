"""Which of several learning rates to train with: many get a short training, the better ones longer ones.

Source: successive halving, Jamieson & Talwalkar 2016, https://arxiv.org/abs/1502.07240, the inner loop of
Hyperband (Li et al. 2017, https://arxiv.org/abs/1603.06560). Where we differ:
- Each training of a rung starts anew and runs a whole schedule of the rung's length; they go on with the one
  before. A rate in the middle of a long schedule says little of how it ends.
- Every candidate of a rung is trained from the same seeds, so that they differ by their rate alone.
- The candidates lie on a line, a factor of 2 apart. Where the best of a rung is the lowest or the highest,
  the next one is tried too: the longer a training, the lower its best rate (Bjorck et al. 2024,
  https://arxiv.org/abs/2409.19913), so that the best may lie beside those that a shorter rung kept.
- What is taken lies between the candidates: at the bottom of the parabola through the best one of the last
  rung and its neighbours. A loss that rises faster above the best rate than below it draws it down.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """One round of trainings of equal length."""

    share: float
    """Of the steps of a whole training, in (0, 1]."""

    kept: int
    """Candidates that the next round begins with; of the last round, 1."""


@dataclass(frozen=True)
class Trial:
    """One short training."""

    round: int
    """From 0: which rung."""

    octave: int
    """The rates are the plan's times 2 to this power."""

    seed: int
    loss: float | None
    """Validation loss; None: the training went astray, a loss was not a finite number."""

    @property
    def factor(self) -> float:
        """What the plan's rates are multiplied with."""
        return 2.0**self.octave


Measure = Callable[[int, int, int], Trial]
"""From a rung, an octave and a seed to the training's result."""


def halve(
    measure: Measure,
    *,
    rungs: Sequence[Rung],
    octaves: Iterable[int],
    seeds: Sequence[int],
    lowest: int,
    highest: int,
) -> tuple[list[Trial], float | None]:
    """Return every trial in the order in which they ran, and the octave to take, which may be a fraction.

    None where every training of a rung went astray, down to the lowest octave.

    Args:
        measure: runs one training.
        rungs: one or more, the shortest first.
        octaves: what the first rung begins with.
        seeds: one or more.
        lowest: no octave below it is tried.
        highest: nor one above this.
    """
    trials: list[Trial] = []
    candidates = sorted(octaves)
    for number, rung in enumerate(rungs):
        losses: dict[int, float] = {}
        waiting = candidates
        while waiting:
            # Seed by seed: a model with a seed's head is made ready once for all rates.
            found = [measure(number, octave, seed) for seed in seeds for octave in waiting]
            trials += found
            losses |= {
                octave: mean_loss([one for one in found if one.octave == octave]) for octave in waiting
            }
            waiting = [
                octave for octave in beside(losses) if lowest <= octave <= highest and octave not in losses
            ]
        sound = [octave for octave in ranked(losses) if losses[octave] < math.inf]
        if not sound:
            return trials, None
        candidates = sorted(sound[: rung.kept])
    return trials, bottom(losses)


def mean_loss(trials: Sequence[Trial]) -> float:
    """Return the mean over the seeds; infinite where one of them went astray."""
    losses = [math.inf if trial.loss is None else trial.loss for trial in trials]
    return sum(losses) / len(losses)


def bottom(losses: dict[int, float]) -> float:
    """Return where the parabola through the best octave and its neighbours is lowest, to 2 decimals.

    Within half an octave of the best one; the best one itself where a neighbour is missing or went astray.
    """
    best = ranked(losses)[0]
    below, above = losses.get(best - 1, math.inf), losses.get(best + 1, math.inf)
    bend = below - 2 * losses[best] + above
    if bend in (0.0, math.inf):
        return float(best)
    return round(best + (below - above) / (2 * bend), 2)


def ranked(losses: dict[int, float]) -> list[int]:
    """Return the octaves, the lowest loss first; of equals the lower octave."""
    return sorted(losses, key=lambda octave: (losses[octave], octave))


def beside(losses: dict[int, float]) -> list[int]:
    """Return the octave to try next where the best of those tried is the lowest or the highest of them.

    Where all went astray, that is the one below.
    """
    tried = sorted(losses)
    best = ranked(losses)[0]
    if losses[best] == math.inf or best == tried[0]:
        return [tried[0] - 1]
    return [best + 1] if best == tried[-1] else []
