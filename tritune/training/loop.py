"""The training loop, in full view.

`train` is a generator: it takes optimizer steps and tells after each one where it is.
Whoever drives it shows progress and stores the state whenever it likes; neither changes a result.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from tritune.errors import InputError
from tritune.inference import mean_loss_of, predict_logits
from tritune.metrics.classification import softmax
from tritune.metrics.direction import advantage
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.batches import collate, epoch_batches, pieces, steps_per_epoch
from tritune.training.frozen import learn_only
from tritune.training.optimizer import set_rates
from tritune.training.schedule import rate_share, warmup_steps
from tritune.training.state import TrainingState

Score = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]
"""From labels [rows] and probabilities [rows, classes] to every metric by name."""

STEPS_BETWEEN_CHECKS = 50
"""How often the loss is looked at on the way, for not being finite. Looking makes a GPU wait."""


@dataclass(frozen=True)
class Moment:
    """Where the training is, just after an optimizer step."""

    epoch: int
    """From 1."""

    step: int
    """Steps taken in all."""

    epoch_step: int
    """Steps taken in this epoch, from 1."""

    rows: int
    """Training rows that this step saw."""

    tokens: int
    """Of these rows, padding not counted."""

    loss: torch.Tensor
    """Mean loss of the step, on the device; at the end of an epoch, of the whole epoch."""

    scores: Mapping[str, float] | None = None
    """The epoch's row of the history, when this is its last step and it has been evaluated."""


def train(
    state: TrainingState,
    plan: TuningPlan,
    training: TokenTable,
    validation: TokenTable,
    *,
    settings: TrainSettings,
    precision: str,
    device: torch.device,
    pad_token_id: int,
    seed: int,
    score: Score,
) -> Iterator[Moment]:
    """Train `state.model` from where `state` is to the end, then give it the best epoch's weights.

    The model learns in place; `state` is up to date whenever a moment is yielded. Driving the rest of a
    training from a stored state gives, bit for bit on a CPU, what the uninterrupted training gives.

    Args:
        state: fresh, or as an earlier run of the same training left it; its model is on `device`.
        plan: what learns, when, and how fast.
        seed: of the order of the rows and of the chance inside the model.
        score: gives every metric of the settings, `settings.monitor` among them.

    Raises:
        InputError: the loss is not a finite number.
    """
    model, optimizer = state.model, state.optimizer
    per_epoch = steps_per_epoch(training.rows, batch_size=settings.batch_size)
    total = settings.epochs * per_epoch
    warmup = warmup_steps(total, warmup_fraction=settings.warmup_fraction)
    phases = phase_starts(plan, total_steps=total)
    lengths = training.lengths
    learning: list[torch.nn.Parameter] = []
    state.loss_sum = state.loss_sum.to(device)
    state.first_bad_step = state.first_bad_step.to(device)
    model.train()

    while not state.stopped:
        epoch = state.step // per_epoch
        batches = epoch_batches(training.rows, batch_size=settings.batch_size, seed=seed, epoch=epoch)
        for position in range(state.step % per_epoch, per_epoch):
            if not learning or state.step in phases:
                started = max(start for start in phases if start <= state.step)
                learn_only(model, phases[started])
                learning = [p for p in model.parameters() if p.requires_grad]
            share = rate_share(state.step, total_steps=total, warmup=warmup, schedule=settings.schedule)
            rate = set_rates(optimizer, share)
            rows = batches[position]

            seed_step(seed, state.step)
            loss = torch.zeros((), device=device)
            for piece in pieces(rows, lengths[rows]):
                batch = collate(training, piece, pad_token_id=pad_token_id).to(device)
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
                piece_loss = F.cross_entropy(
                    logits.float(), batch.labels, label_smoothing=settings.label_smoothing, reduction="sum"
                ) / len(rows)
                piece_loss.backward()
                loss += piece_loss.detach()
            clip_grad_norm_(learning, settings.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            bad = ~torch.isfinite(loss) & (state.first_bad_step < 0)
            state.first_bad_step = torch.where(bad, state.step, state.first_bad_step)
            state.loss_sum += loss.double() * len(rows)
            state.step += 1
            if state.step % STEPS_BETWEEN_CHECKS == 0:
                state.raise_if_not_finite()
            if position + 1 < per_epoch:
                tokens = int(lengths[rows].sum())
                yield Moment(epoch + 1, state.step, position + 1, len(rows), tokens, loss)

        state.raise_if_not_finite()
        row: dict[str, float] = {"epoch": epoch + 1, "step": state.step, "learning_rate": rate}
        row["train_loss"] = float(state.loss_sum.item()) / training.rows
        logits_array = predict_logits(
            model,
            validation,
            pad_token_id=pad_token_id,
            batch_size=settings.batch_size,
            device=device,
            precision="bf16" if precision == "bf16" else "fp32",
        )
        if not np.isfinite(logits_array).all():
            raise InputError(
                f"the model's answers are not finite numbers after epoch {epoch + 1}; "
                "set a lower lr for this method in params.yaml"
            )
        row["validation_loss"] = mean_loss_of(logits_array, validation.labels)
        metrics = score(validation.labels, softmax(logits_array))
        row.update({f"validation_{name}": float(value) for name, value in metrics.items()})
        mean_loss = state.loss_sum / training.rows
        close_epoch(state, row, metrics[settings.monitor], settings=settings, last=state.step == total)
        tokens = int(lengths[rows].sum())
        yield Moment(epoch + 1, state.step, per_epoch, len(rows), tokens, mean_loss, row)

    keep_best(state)


def close_epoch(
    state: TrainingState, row: dict[str, float], value: float, *, settings: TrainSettings, last: bool
) -> None:
    """Enter an epoch into the history, keep its weights if they are the best, and stop if it is time."""
    state.history.append(row)
    state.loss_sum = torch.zeros_like(state.loss_sum)
    if state.best_epoch == 0 or advantage(settings.monitor, value, state.best_score) > 0:
        state.best_epoch, state.best_score = int(row["epoch"]), float(value)
        state.best_weights = None
    elif int(row["epoch"]) - state.best_epoch >= settings.patience:
        state.stopped = True
    state.stopped = state.stopped or last
    if state.best_weights is None and state.best_epoch == row["epoch"] and not state.stopped:
        weights = state.learning_weights()
        state.best_weights = {name: tensor.to("cpu", copy=True) for name, tensor in weights.items()}


def keep_best(state: TrainingState) -> None:
    """Give the model the weights of its best epoch. Doing it twice changes nothing."""
    if state.best_weights is not None:
        for name, tensor in state.learning_weights().items():
            tensor.copy_(state.best_weights[name])


def phase_starts(plan: TuningPlan, *, total_steps: int) -> dict[int, set[str]]:
    """Return, for each step at which another set of tensors begins to learn, their names; 0 is among them."""
    starts: dict[int, set[str]] = {}
    for phase in plan.phases:
        # One part of a model can have a frozen and a learning group under the same name.
        groups = [group for group in plan.groups if group.name in phase.groups and group.lr is not None]
        starts[round(phase.start * total_steps)] = {name for group in groups for name in group.tensors}
    return starts


def seed_step(seed: int, step: int) -> None:
    """Make all chance inside one step depend on (seed, step) alone: no generator's state has to be stored."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=4).digest()
    number = int.from_bytes(digest, "big")
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)
