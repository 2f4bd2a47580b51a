"""One short training of a sweep: a whole schedule over few steps, from the head that a seed draws.

A rate is judged at the end of a schedule that begins at it and falls to 0. In the middle of a longer one a
high rate looks worse than it is, for it has not fallen yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tritune.inference import model_outputs
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.classification import classification_metrics, softmax
from tritune.metrics.temperature import fitted_temperature
from tritune.objectives.named import objective_named
from tritune.outputs import Outputs
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokensInfo, TokenTable
from tritune.training.batches import epoch_batches
from tritune.training.loop import Moment, Score, train
from tritune.training.optimizer import plan_optimizer
from tritune.training.prefix_memo import Precision
from tritune.training.reduced import reduce_training
from tritune.training.some_rows import rows_of
from tritune.training.start_model import start_model
from tritune.training.state import TrainingState


@dataclass(frozen=True)
class Length:
    """How long a short training is."""

    epochs: int
    steps: int
    """Of each epoch."""

    @property
    def steps_in_all(self) -> int:
        return self.epochs * self.steps


def length_of(share: float, *, per_epoch: int, epochs: int) -> Length:
    """Return the length that is nearest to a share of a training: whole epochs on as many rows as that takes.

    Args:
        share: of the steps of one training, in (0, 1].
        per_epoch: steps of one of its epochs, 1 or more.
        epochs: of the training, 1 or more.
    """
    steps = max(1, round(share * epochs * per_epoch))
    epochs = -(-steps // per_epoch)
    return Length(epochs, max(1, round(steps / epochs)))


@dataclass(frozen=True)
class Setting:
    """What all short trainings of one sweep share."""

    method: str
    """Its name in params.yaml."""

    base: Path
    info: TokensInfo
    training: TokenTable
    validation: TokenTable
    settings: TrainSettings
    """Of the trainings to come."""

    precision: Precision
    device: torch.device
    memo_gib: float
    recompute: bool
    memos: Path
    score: Score
    """Scores of an epoch on the validation split; the negative log likelihood among them takes the place of
    the plain one. See `judge`."""


class Start:
    """A model with the head that a seed draws, made ready once and set back before every training."""

    def __init__(self, setting: Setting, plan: TuningPlan, *, seed: int) -> None:
        """Load the model, and leave out what makes no difference, as a training does.

        Args:
            plan: its rates don't matter here.
        """
        self.setting, self.seed = setting, seed
        self.objective = objective_named(setting.info.objective)
        model = start_model(
            setting.base, plan, setting.info, seed=seed, device=setting.device, method=setting.method
        )
        self.model = model
        reduced = reduce_training(
            model,
            plan,
            setting.training,
            setting.validation,
            objective=self.objective,
            precision=setting.precision,
            memo_gib=setting.memo_gib,
            recompute=setting.recompute,
            pad_token_id=setting.info.pad_token_id,
            memos=setting.memos,
        )
        self.training, self.validation = reduced.training, reduced.validation
        self.recorded = reduced.recorded
        fresh = TrainingState(model, plan_optimizer(model, plan, weight_decay=0.0))
        self._weights = {name: tensor.clone() for name, tensor in fresh.learning_weights().items()}

    def untouched_loss(self) -> float:
        """Return what a rate is judged by, before any training."""
        setting = self.setting
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, tensor in self._weights.items():
                parameters[name].copy_(tensor)
        outputs = model_outputs(
            self.model,
            self.validation,
            objective=self.objective,
            pad_token_id=setting.info.pad_token_id,
            batch_size=setting.settings.batch_size,
            device=setting.device,
            precision=setting.precision,
        )
        judged = setting.score(outputs)
        if NEGATIVE_LOG_LIKELIHOOD in judged:
            return judged[NEGATIVE_LOG_LIKELIHOOD]
        return self.objective.mean_loss(outputs, self.validation)

    def train(self, plan: TuningPlan, length: Length) -> Iterator[Moment]:
        """Train from the start and tell after each step where it is; the last moment of an epoch has scores.

        The rows are those that a whole training from this seed sees in its first steps.

        Raises:
            InputError: the loss is not a finite number.
        """
        setting, settings = self.setting, self.setting.settings
        rows = first_rows(self.training, length, batch_size=settings.batch_size, seed=self.seed)
        state = TrainingState(
            self.model, plan_optimizer(self.model, plan, weight_decay=settings.weight_decay)
        )
        for name, tensor in state.learning_weights().items():
            tensor.copy_(self._weights[name])
        yield from train(
            state,
            plan,
            rows,
            self.validation,
            objective=self.objective,
            settings=settings.model_copy(update={"epochs": length.epochs, "patience": length.epochs}),
            monitor=NEGATIVE_LOG_LIKELIHOOD,
            precision=setting.precision,
            device=setting.device,
            pad_token_id=setting.info.pad_token_id,
            seed=self.seed,
            score=setting.score,
            recorded=self.recorded,
        )


def first_rows(table: TokenTable, length: Length, *, batch_size: int, seed: int) -> TokenTable:
    """Return the rows that the first steps of a training from a seed see; all of them where it takes all."""
    batches = epoch_batches(table.rows, batch_size=batch_size, seed=seed, epoch=0)
    if length.steps >= len(batches):
        return table
    return rows_of(table, np.concatenate(batches[: length.steps]))


def judge(info: TokensInfo, validation: TokenTable) -> Score:
    """Return what gives the loss that rates are judged by, in nats, on the validation split.

    Of a classifier it is the loss at the best temperature, as it will be calibrated before it ships. The
    plain loss rises while a classifier that is right more often becomes surer still (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, section 3), and is high while one is not sure enough yet: it would
    favour rates by how sure they make a model. Of every other model it is the plain loss.
    """
    if info.objective != "single_label":
        return lambda _: {}

    def calibrated(outputs: Outputs) -> dict[str, float]:
        temperature = fitted_temperature(validation.labels, outputs.values)
        scores = classification_metrics(validation.labels, softmax(outputs.values / temperature))
        return {NEGATIVE_LOG_LIKELIHOOD: scores[NEGATIVE_LOG_LIKELIHOOD]}

    return calibrated
