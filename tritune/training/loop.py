"""The training loop, in full view.

`train` is a generator: it takes optimizer steps and tells after each one where it is.
Whoever drives it shows progress and stores the state whenever it likes; neither changes a result.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from tritune.compute import mixed_precision, return_freed_memory
from tritune.errors import InputError
from tritune.inference import model_outputs
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD, advantage
from tritune.objectives.objective import Objective
from tritune.objectives.selected_logits import places_at_once
from tritune.outputs import Outputs
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.batches import Batch, collate, epoch_batches, pieces, steps_per_epoch
from tritune.training.frozen import learn_only
from tritune.training.loss_parts import loss_parts
from tritune.training.optimizer import clipped_step, set_rates
from tritune.training.processes import ALONE, Processes
from tritune.training.recorded import RecordedPasses
from tritune.training.schedule import first_step, share_since
from tritune.training.shares import shares
from tritune.training.state import TrainingState
from tritune.training.train_slice import TrainSlice

Score = Callable[[Outputs], Mapping[str, float]]
"""From the model's outputs on the validation split to its scores by name."""

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

    terms: int
    """Terms of the loss seen in this epoch: `state.loss_sum` divided by it is the mean so far."""

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
    objective: Objective,
    settings: TrainSettings,
    monitor: str,
    precision: Literal["fp32", "bf16"],
    device: torch.device,
    pad_token_id: int,
    seed: int,
    score: Score,
    train_slice: TrainSlice | None = None,
    recorded: RecordedPasses | None = None,
    processes: Processes = ALONE,
) -> Iterator[Moment]:
    """Train `state.model` from where `state` is to the end, then give it the best epoch's weights.

    The model learns in place; `state` is up to date whenever a moment is yielded. Driving the rest of a
    training from a stored state gives, bit for bit on a CPU, what the uninterrupted training gives.

    Args:
        state: fresh, or as an earlier run of the same training left it; its model is on `device`.
        plan: what learns, when, and how fast.
        objective: what the model is trained for: its loss, and what is read from it.
        monitor: the metric that picks the best epoch: one of `score`, or the negative log likelihood.
        seed: of the order of the rows and of the chance inside the model.
        score: gives the scores of an epoch.
        train_slice: training rows that are scored after each epoch too; they change nothing else.
        recorded: does the passes, where they are worth recording.
        processes: that share the training, each of which drives it like this.

    Raises:
        InputError: the loss is not a finite number.
    """
    model, optimizer = state.model, state.optimizer
    per_epoch = steps_per_epoch(training.rows, batch_size=settings.batch_size)
    total = settings.epochs * per_epoch
    phases = phase_starts(plan, total_steps=total)
    lengths, items = training.lengths, objective.items(training)
    most_terms = places_at_once(model)
    validation_parts = loss_parts(objective, validation)
    slice_parts = None if train_slice is None else loss_parts(objective, train_slice.table)

    def one_pass(batch: Batch, terms: torch.Tensor | float) -> torch.Tensor:
        """Return the share of the step's mean loss that a batch has, once its gradients are added."""
        # Of all weights each process of a sharded training is to have a part only.
        with mixed_precision(device, precision, keep_casts=not processes.sharded):
            loss_sum = objective.loss_sum(model, batch, label_smoothing=settings.label_smoothing)
        share = loss_sum / terms
        share.backward()
        return share.detach()

    learning: list[torch.nn.Parameter] = []
    state.loss_sum = state.loss_sum.to(device)
    state.first_bad_step = state.first_bad_step.to(device)
    model.train()

    while not state.stopped:
        epoch = state.step // per_epoch
        batches = epoch_batches(training.rows, batch_size=settings.batch_size, seed=seed, epoch=epoch)
        terms_seen = np.cumsum([items[rows].sum() for rows in batches])
        for position in range(state.step % per_epoch, per_epoch):
            if not learning or state.step in phases:
                started = max(start for start in phases if start <= state.step)
                learn_only(model, phases[started])
                learning = [p for p in model.parameters() if p.requires_grad]
                if recorded is not None:
                    recorded.start_anew(optimizer)
            rate = set_rates(optimizer, rates_at(state.step, total_steps=total, settings=settings))
            rows = batches[position]
            # Rows may have no term at all, such as a window without a labelled token.
            terms = int(items[rows].sum())

            seed_step(seed, state.step, process=processes.number)
            loss = torch.zeros((), device=device)
            cut = [
                pieces(own, lengths[own], terms=items[own], most_terms=most_terms, packed=training.packed)
                for own in shares(rows, lengths[rows], count=processes.count)
            ]
            for number, (piece, counts) in enumerate(processes.turns(cut)):
                batch = collate(training, piece, pad_token_id=pad_token_id)
                # What only keeps several processes in step adds nothing.
                divisor = max(terms, 1) if counts else float("inf")
                if recorded is None:
                    loss += one_pass(batch.to(device), divisor)
                else:
                    loss += recorded.run(batch, divisor, one_pass, first=number == 0)
            processes.add_up(learning, loss)
            clipped_step(optimizer, learning, max_norm=settings.max_grad_norm)
            if recorded is None:  # what was recorded writes gradients to where they were then
                optimizer.zero_grad(set_to_none=True)

            bad = ~torch.isfinite(loss) & (state.first_bad_step < 0)
            state.first_bad_step = torch.where(bad, state.step, state.first_bad_step)
            state.loss_sum += loss.double() * terms
            state.step += 1
            if state.step % STEPS_BETWEEN_CHECKS == 0:
                state.raise_if_not_finite()
            if position + 1 < per_epoch:
                tokens = int(lengths[rows].sum())
                seen = int(terms_seen[position])
                yield Moment(epoch + 1, state.step, position + 1, len(rows), tokens, seen, loss)

        state.raise_if_not_finite()
        row: dict[str, float] = {"epoch": epoch + 1, "step": state.step, "learning_rate": rate}
        seen = int(terms_seen[-1])
        mean_loss = state.loss_sum / max(seen, 1)
        row["train_loss"] = float(mean_loss.item())
        asked = partial(
            model_outputs,
            model,
            objective=objective,
            pad_token_id=pad_token_id,
            batch_size=settings.batch_size,
            device=device,
            precision=precision,
            processes=processes,
        )
        outputs = finite(asked(validation), epoch=epoch + 1)
        row["validation_loss"] = objective.mean_loss(outputs, validation)
        scores = processes.from_first(partial(score, outputs))
        metrics = {NEGATIVE_LOG_LIKELIHOOD: row["validation_loss"], **scores}
        row.update({f"validation_{name}": float(value) for name, value in metrics.items()})
        parts = {"validation_loss_parts": validation_parts(outputs)}
        if train_slice is not None and slice_parts is not None:
            outputs = finite(asked(training, rows=train_slice.rows), epoch=epoch + 1)
            row["train_slice_loss"] = objective.mean_loss(outputs, train_slice.table)
            scores = processes.from_first(partial(train_slice.score, outputs))
            scores = {NEGATIVE_LOG_LIKELIHOOD: row["train_slice_loss"], **scores}
            row[f"train_slice_{monitor}"] = float(scores[monitor])
            row["train_slice_examples"] = train_slice.examples
            parts["train_slice_loss_parts"] = slice_parts(outputs)
        state.loss_parts.append(parts)
        return_freed_memory()
        close_epoch(
            state,
            row,
            metrics[monitor],
            monitor=monitor,
            patience=settings.patience,
            incomplete=max(phases) // per_epoch,
            last=state.step == total,
        )
        tokens = int(lengths[rows].sum())
        yield Moment(epoch + 1, state.step, per_epoch, len(rows), tokens, seen, mean_loss, row)

    keep_best(state)


def finite(outputs: Outputs, *, epoch: int) -> Outputs:
    """Return the outputs as they are.

    Raises:
        InputError: one of them is not a finite number.
    """
    if not outputs.finite:
        raise InputError(
            f"the model's answers are not finite numbers after epoch {epoch}; "
            "set a lower lr for this method in params.yaml"
        )
    return outputs


def close_epoch(
    state: TrainingState,
    row: dict[str, float],
    value: float,
    *,
    monitor: str,
    patience: int,
    incomplete: int,
    last: bool,
) -> None:
    """Enter an epoch into the history, keep its weights if they are the best, and stop if it is time.

    Args:
        incomplete: epochs at whose end the plan's last phase had not begun: patience starts after them.
    """
    state.history.append(row)
    state.loss_sum = torch.zeros_like(state.loss_sum)
    if state.best_epoch == 0 or advantage(monitor, value, state.best_score) > 0:
        state.best_epoch, state.best_score = int(row["epoch"]), float(value)
        state.best_weights = None
    elif int(row["epoch"]) - max(state.best_epoch, incomplete) >= patience:
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


def rates_at(step: int, *, total_steps: int, settings: TrainSettings) -> Callable[[float], float]:
    """Return what `set_rates` asks: which share of its peak a rate has now, by when it begins."""
    return lambda start: share_since(
        step,
        begins=first_step(start, total_steps=total_steps),
        total_steps=total_steps,
        warmup_fraction=settings.warmup_fraction,
        schedule=settings.schedule,
    )


def phase_starts(plan: TuningPlan, *, total_steps: int) -> dict[int, set[str]]:
    """Return, for each step at which another set of tensors begins to learn, their names; 0 is among them.

    Of phases that fall on the same step the last one counts.
    """
    starts: dict[int, set[str]] = {}
    for phase in plan.phases:
        # One part of a model can have a frozen and a learning group under the same name.
        groups = [group for group in plan.groups if group.name in phase.groups and group.lr is not None]
        begins = first_step(phase.start, total_steps=total_steps)
        starts[begins] = {name for group in groups for name in group.tensors}
    return starts


def seed_step(seed: int, step: int, *, process: int = 0) -> None:
    """Make all chance inside one step depend on these alone: no generator's state has to be stored."""
    drawn_from = f"{seed}/{step}/{process}" if process else f"{seed}/{step}"
    digest = hashlib.blake2b(drawn_from.encode(), digest_size=4).digest()
    number = int.from_bytes(digest, "big")
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)
