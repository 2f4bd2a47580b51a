"""The search for a method's rate: rounds of short trainings, each stored when it is done.

The seeds are the sweep's own, whatever `seeds` in params.yaml lists, so that another seed there makes no
sweep stale, and the trainings that are compared are not those that the rate was chosen by.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tritune.errors import InputError
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.plan.scaled import scaled
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import AdaptiveSettings, MethodSettings, by_gradient_norm
from tritune.sweep.budget import HIGHEST, LOWEST, OCTAVES, RUNGS, SEEDS
from tritune.sweep.gradient_norm import gradient_norms
from tritune.sweep.halving import Trial, halve, mean_loss
from tritune.sweep.result import GradientNorm, Round, Sweep
from tritune.sweep.trial import Setting, Start, length_of
from tritune.training.batches import epoch_batches, steps_per_epoch
from tritune.training.loop import Moment
from tritune.training.progress import StepProgress

LEARNT = 0.01
"""Share by which the best short training has to lower the validation loss for the sweep to tell anything."""

LONGER = -0.5
"""Power of a training's steps that its best rate goes by, from the last round's length to a whole training's.

That of stochastic gradient descent where the steps are given beforehand: Nemirovski et al. 2009,
https://doi.org/10.1137/070704277, section 2.2.
"""

GRADIENT_STEPS = 8
"""Batches that the gradient at the start is the mean of."""


def search(setting: Setting, plan: TuningPlan, settings: MethodSettings, *, memory: Path) -> Sweep:
    """Return what a method's trainings are to do with its plan's rates.

    Args:
        plan: as it was compiled.
        settings: the method's; says whether the rate, the parts' shares of it or both are sought.
        memory: file with the short trainings that an earlier, stopped search has done; kept up to date.

    Raises:
        InputError: params.yaml gives every rate, or every rate led astray.
    """
    sought = [group.lr for group in plan.groups if group.lr is not None and not group.fixed]
    if settings.lr == "sweep" and not sought:
        raise InputError(
            f"method.{setting.method}.lr: sweep has nothing to find, for params.yaml gives the rate of all "
            "that learns as a number; leave one out (head_lr, body_lr or a pattern of rates), or leave out lr"
        )
    trainings = _Trainings(setting, plan, memory=memory)
    norms: list[GradientNorm] = []
    parts: dict[str, float] = {}
    if isinstance(settings, AdaptiveSettings):
        norms = trainings.gradient_norms()
    if by_gradient_norm(settings):
        parts = {norm.part: norm.proposed for norm in norms}
        trainings.plan = scaled(plan, 1.0, parts=parts)
    reasons = ["each part's rate is in proportion to its relative gradient norm"] if parts else []
    if settings.lr != "sweep":
        return Sweep(reason=reasons[0], parts=parts, gradient_norms=norms)
    trials, octave = halve(
        trainings, rungs=RUNGS, octaves=OCTAVES, seeds=SEEDS, lowest=LOWEST, highest=HIGHEST
    )
    planned = max(sought)
    if octave is None:
        raise InputError(
            f"method.{setting.method}.lr: sweep found no rate that a training can bear: at each of those "
            f"tried, down to {planned * 2.0 ** trials[-1].octave:.1e}, the loss is not a finite number; set "
            "compute.precision to fp32, or lr to a still lower number"
        )
    whole = setting.settings.epochs * trainings.per_epoch
    times = whole / trainings.lengths[-1].steps_in_all
    octave = round(octave + LONGER * math.log2(times), 2)
    reason = found_reason(trials, octave, planned=planned, times=times)
    best, untouched = lowest_loss(trials), trainings.untouched_loss()
    if best > (1 - LEARNT) * untouched:
        # Whatever moves the weights least looks best then.
        octave = 0.0
        reason = (
            f"the plan's rate is kept, for the sweep's short trainings learnt nothing (validation loss "
            f"{untouched:.4f} before, {best:.4f} after the best); more epochs make them longer"
        )
    return Sweep(
        reason="; ".join([reason, *reasons]),
        factor=2.0**octave,
        parts=parts,
        planned_lr=planned,
        seeds=SEEDS,
        rounds=[
            Round(rung.share, length.epochs, length.steps_in_all, rung.kept)
            for rung, length in zip(RUNGS, trainings.lengths, strict=True)
        ],
        trials=trials,
        training_steps=whole,
        steps=sum(trainings.lengths[trial.round].steps_in_all for trial in trials),
        gradient_norms=norms,
    )


def lowest_loss(trials: Sequence[Trial]) -> float:
    """Return the lowest loss of any rate in the last round, mean over the seeds."""
    return min(_last_losses(trials).values())


def _last_losses(trials: Sequence[Trial]) -> dict[int, float]:
    """Return the mean losses of the last round by octave, lowest octave first."""
    number = max(one.round for one in trials)
    last = [trial for trial in trials if trial.round == number]
    octaves = sorted({one.octave for one in last})
    return {octave: mean_loss([one for one in last if one.octave == octave]) for octave in octaves}


def found_reason(trials: Sequence[Trial], octave: float, *, planned: float, times: float) -> str:
    """Return in a sentence which rate is taken, and the losses of the last round that say so.

    Args:
        times: by which a training has more steps than one of the last round.
    """
    shown = ", ".join(
        f"{f'{loss:.4f}' if loss < math.inf else 'astray'} at {planned * 2.0**each:.1e}"
        for each, loss in _last_losses(trials).items()
    )
    longer = f", for a training {times:.2g} times as long" if times > 1 else ""
    return (
        f"the sweep took {planned * 2.0**octave:.1e}, {2.0**octave:.2g} times the plan's rate, by validation "
        f"losses of {shown}{longer}"
    )


class _Trainings:
    """Runs the short trainings that a search asks for, tells how far it is, and remembers what is done."""

    def __init__(self, setting: Setting, plan: TuningPlan, *, memory: Path) -> None:
        self.plan = plan
        self.per_epoch = steps_per_epoch(setting.training.rows, batch_size=setting.settings.batch_size)
        self.lengths = [
            length_of(rung.share, per_epoch=self.per_epoch, epochs=setting.settings.epochs) for rung in RUNGS
        ]
        self._setting, self._memory = setting, memory
        self._done = {(one.round, one.octave, one.seed): one for one in _remembered(memory)}
        self._start: Start | None = None
        self._printed = 0.0

    def __call__(self, number: int, octave: int, seed: int) -> Trial:
        """Return one training's result."""
        trial = self._done.get((number, octave, seed))
        if trial is None:
            loss = self._train(number, octave, seed)
            trial = Trial(number, octave, seed, loss)
            self._done[number, octave, seed] = trial
            aside = self._memory.with_suffix(".unfinished")
            aside.write_text(json.dumps([asdict(one) for one in self._done.values()]), encoding="utf-8")
            aside.replace(self._memory)
        shown = "not a finite number" if trial.loss is None else f"{trial.loss:.4f}"
        print(
            f"round {number + 1}/{len(RUNGS)}, {self.lengths[number].steps_in_all} steps, seed {seed}: "
            f"{2.0**octave:g} times the plan's rate, validation loss {shown}",
            flush=True,
        )
        return trial

    def untouched_loss(self) -> float:
        """Return the validation loss before any training."""
        return self._ready(SEEDS[-1]).untouched_loss()

    def gradient_norms(self) -> list[GradientNorm]:
        """Return them for the first seed's head and batches."""
        setting, start = self._setting, self._ready(SEEDS[0])
        batches = epoch_batches(
            start.training.rows, batch_size=setting.settings.batch_size, seed=SEEDS[0], epoch=0
        )
        return gradient_norms(
            start.model,
            self.plan,
            start.training,
            batches[:GRADIENT_STEPS],
            objective=start.objective,
            precision=setting.precision,
            device=setting.device,
            pad_token_id=setting.info.pad_token_id,
        )

    def _ready(self, seed: int) -> Start:
        """Return the model with a seed's head; one at a time, for each takes a training's memory."""
        if self._start is None or self._start.seed != seed:
            self._start = None
            self._start = Start(self._setting, self.plan, seed=seed)
        return self._start

    def _train(self, number: int, octave: int, seed: int) -> float | None:
        """Return the lowest validation loss after any epoch, for trainings keep their best; None: astray."""
        start, length = self._ready(seed), self.lengths[number]
        losses: list[float] = []
        begun, rows, steps = time.monotonic(), 0, 0
        try:
            for moment in start.train(scaled(self.plan, 2.0**octave), length):
                rows, steps = rows + moment.rows, steps + 1
                if moment.scores is not None:
                    losses.append(moment.scores[f"validation_{NEGATIVE_LOG_LIKELIHOOD}"])
                if (now := time.monotonic()) - self._printed >= 1:
                    self._printed = now
                    print(self._progress(number, moment, rows / (now - begun)), flush=True)
        except InputError:
            return None
        return min(losses)

    def _progress(self, number: int, moment: Moment, speed: float) -> StepProgress:
        """Return how far the whole search is, if no round asks for more rates than it begins with."""
        counts = [len(OCTAVES), *(rung.kept for rung in RUNGS[:-1])]
        steps = sum(
            count * len(SEEDS) * one.steps_in_all for count, one in zip(counts, self.lengths, strict=True)
        )
        done = sum(self.lengths[one.round].steps_in_all for one in self._done.values()) + moment.step
        batch = self._setting.settings.batch_size
        return StepProgress(
            epoch=number + 1,
            epochs=len(RUNGS),
            step=min(done, steps),
            steps=steps,
            loss=float(moment.loss.item()),
            examples_per_second=speed,
            seconds_left=round(max(0, steps - done) * batch / speed),
        )


def _remembered(memory: Path) -> list[Trial]:
    """Return the trials that an earlier search stored; none where there are none, or the file is broken."""
    try:
        return [Trial(**one) for one in json.loads(memory.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []
