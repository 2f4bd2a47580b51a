"""What a training will cost, from a few of its own steps.

The steps are run by the training loop itself, with what a training leaves out left out. The memory is that of
the step with most tokens or of that with the largest piece, whichever takes more, when the optimizer has its
state; the time is that of a few steps drawn at random, per token that runs (padding too, where the model
needs it), times the tokens of all steps; what they take longer the first time (kernels are written) is added
once. Of several phases the first and the last are timed, each is weighted with its length, and the time of
one between lies between theirs as its compute does; the memory is the last one's, in which most learns. A
training's own start and the writing of its state are not in it.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from tritune.inference import model_outputs
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.objectives.objective import Objective
from tritune.objectives.selected_logits import places_at_once
from tritune.plan.tuning_plan import Phase, TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.batches import epoch_batches, pieces
from tritune.training.cache_off import CacheOff
from tritune.training.compiled import compiled_layers
from tritune.training.dropout import FastDropout
from tritune.training.embedding_rows import cut_embedding
from tritune.training.linear import FastLinear
from tritune.training.loop import train
from tritune.training.optimizer import plan_optimizer
from tritune.training.prefix_memo import Precision, memo_bytes
from tritune.training.recorded import recorded_passes
from tritune.training.reduced import keep_no_activations, leave_out_padding
from tritune.training.some_rows import rows_of
from tritune.training.start_above import start_above
from tritune.training.state import TrainingState
from tritune.training.stored_prefix import StoredPrefix, frozen_depth
from tritune.training.train_slice import slice_rows
from tritune.training.trial_pass import insist_on_same_bits

TIMED_STEPS = 8
TIMED_ROWS = 256
"""Of the validation split, at most."""

ROUNDS, ROUNDS_RECORDED = 2, 3
"""Over the timed steps, and where passes are recorded, of which the last counts."""


@dataclass(frozen=True)
class Estimate:
    """Of one training, all epochs."""

    seconds: float
    """Of the steps and the evaluations between them."""

    prefix_seconds: float
    """Of running the frozen lowest layers, once for all trainings that share them."""

    prefix_bytes: int
    """Of what they give, on disk."""

    gpu_bytes: int | None
    """The most that torch had in use on the GPU; None without one."""


def estimate_training(
    model: PreTrainedModel,
    plan: TuningPlan,
    training: TokenTable,
    validation: TokenTable,
    *,
    objective: Objective,
    settings: TrainSettings,
    precision: Precision,
    memo_gib: float,
    recompute: bool = False,
    compiles: bool = False,
    pad_token_id: int,
) -> Estimate:
    """Run a few steps and say what all of them will take. The model is not to be used afterwards.

    Args:
        model: on the device of the training.
    """
    batches = epoch_batches(training.rows, batch_size=settings.batch_size, seed=0, epoch=0)
    chosen = np.random.RandomState(0).permutation(len(batches))[:TIMED_STEPS]
    timed = rows_of(training, np.concatenate([batches[step] for step in chosen]))
    asked = rows_of(validation, np.random.RandomState(0).permutation(validation.rows)[:TIMED_ROWS])
    watched = int(training.lengths[slice_rows(training, validation)].sum())
    evaluated = len(asked.tokens) / max(1, len(validation.tokens) + watched)

    size = sum(
        memo_bytes(table, width=model.config.get_text_config().hidden_size, precision=precision)
        for table in (training, validation)
    )
    cut_embedding(model, plan, (training, validation))
    compiles = compiles and not recompute
    linear = None if compiles else FastLinear(model)
    with tempfile.TemporaryDirectory() as memos:

        def started_above() -> tuple[StoredPrefix | None, list[TokenTable], float]:
            """Return what `start_above` does, and the seconds it took."""
            began = time.monotonic()
            prefix, tables = start_above(
                model,
                frozen_depth(model, plan) if size <= memo_gib * 2**30 else 0,
                [timed, asked],
                objective=objective,
                precision=precision,
                memo_gib=memo_gib,
                pad_token_id=pad_token_id,
                memos=Path(memos),
            )
            return prefix, tables, time.monotonic() - began

        prefix, _, filling = started_above()
        if prefix is not None:
            prefix.remove()
        # Now that it is stored, what is left does not grow with the rows.
        prefix, (timed, asked), finding = started_above()
        if linear is not None:
            linear.forget()
        packing, (timed, asked, training) = leave_out_padding(
            model, prefix, [timed, asked, training], objective=objective, pad_token_id=pad_token_id
        )
        CacheOff(model)
        recomputed = keep_no_activations(model, prefix, packing) if recompute else None
        insist_on_same_bits(model, timed, objective=objective, precision=precision, pad_token_id=pad_token_id)
        recorded = None
        if recomputed is None:
            if compiles and not compiled_layers(
                model, timed, objective=objective, precision=precision, pad_token_id=pad_token_id
            ):
                FastLinear(model)
            recorded = recorded_passes(packing, training, pad_token_id=pad_token_id)
        FastDropout(model)
        costs = tokens_run(training, batches, objective=objective, model=model)
        heaviest = int(costs.argmax())
        largest = int(largest_pieces(training, batches, objective=objective, model=model).argmax())
        filled = (len(timed.tokens) + len(asked.tokens)) / (len(training.tokens) + len(validation.tokens))
        optimizer = plan_optimizer(model, plan, weight_decay=settings.weight_decay)

        def seconds_of(rows: TokenTable, *, batch_size: int, phase: Phase, rounds: int = 1) -> np.ndarray:
            """Return [rounds, steps] the seconds of each, the last of a round with a small evaluation."""
            state = TrainingState(model, optimizer)
            # However the loss goes, there are so many rounds.
            change = {"epochs": rounds, "batch_size": batch_size, "patience": rounds}
            found, started = [], time.monotonic()
            for moment in train(
                state,
                replace(plan, phases=(replace(phase, start=0.0),)),
                rows,
                rows_of(asked, np.arange(1)),
                objective=objective,
                settings=settings.model_copy(update=change),
                monitor=NEGATIVE_LOG_LIKELIHOOD,
                precision=precision,
                device=model.device,
                pad_token_id=pad_token_id,
                seed=0,
                score=lambda _: {},
                recorded=recorded,
            ):
                _ = moment.loss.item()  # wait for the GPU
                state.best_weights = None  # the caller counts them where a training will keep them
                found.append(time.monotonic() - started)
                started = time.monotonic()
            return np.array(found).reshape(rounds, -1)

        # The first of them makes the optimizer's state; the most memory is in use when it is there already.
        for step in (heaviest, *sorted({heaviest, largest})):
            rows = batches[step]
            seconds_of(rows_of(training, rows), batch_size=len(rows), phase=plan.phases[-1])
        ends = (plan.phases[0], plan.phases[-1]) if len(plan.phases) > 1 else plan.phases
        # What is done once in a training, recording or writing kernels, goes by in the first rounds.
        rounds = ROUNDS if recorded is None else ROUNDS_RECORDED
        steps = [
            seconds_of(timed, batch_size=settings.batch_size, phase=phase, rounds=rounds) for phase in ends
        ]
        sub_costs = np.stack(
            [
                tokens_run(
                    timed,
                    epoch_batches(timed.rows, batch_size=settings.batch_size, seed=0, epoch=epoch),
                    objective=objective,
                    model=model,
                )
                for epoch in range(rounds)
            ]
        )
        started = time.monotonic()
        model_outputs(
            model,
            asked,
            objective=objective,
            pad_token_id=pad_token_id,
            batch_size=settings.batch_size,
            device=model.device,
            precision=precision,
        )
        evaluation = (time.monotonic() - started) / evaluated if asked.rows else 0.0
    # A step with an evaluation counts only where there is no other.
    counted = slice(-1) if sub_costs.shape[1] > 1 else slice(None)
    tokens = sub_costs[:, counted].sum(axis=1)
    timed_ends = [each[-1, counted].sum() / tokens[-1] for each in steps]
    per_token = mean_over_phases(plan, timed_ends)
    kernels = 0.0
    if recorded is None and precision == "bf16":
        kernels = sum(
            max(0.0, each[0, counted].sum() - end * tokens[0])
            for each, end in zip(steps, timed_ends, strict=True)
        )
    return Estimate(
        seconds=settings.epochs * (per_token * float(costs.sum()) + evaluation) + kernels,
        prefix_seconds=finding + (filling - finding) / filled if prefix is not None else 0.0,
        prefix_bytes=size if prefix is not None else 0,
        gpu_bytes=torch.cuda.max_memory_allocated() if model.device.type == "cuda" else None,
    )


def mean_over_phases(plan: TuningPlan, ends: Sequence[float]) -> float:
    """Return the mean seconds per token over a training.

    Args:
        ends: Seconds per token of the first and of the last phase; of the only one.
    """
    first, last = plan.phases[0].compute_per_token, plan.phases[-1].compute_per_token
    mean = 0.0
    for phase, length in zip(plan.phases, plan.phase_lengths, strict=True):
        risen = (phase.compute_per_token - first) / (last - first) if last > first else 1.0
        mean += length * (ends[0] + risen * (ends[-1] - ends[0]))
    return mean


def tokens_run(
    table: TokenTable, batches: Sequence[np.ndarray], *, objective: Objective, model: PreTrainedModel
) -> np.ndarray:
    """Return [steps] int64: the tokens that each step runs through the layers, padding counted.

    Args:
        batches: the row numbers of each step.
    """
    lengths = table.lengths
    if table.packed:
        return np.array([lengths[rows].sum() for rows in batches])
    return np.array([sum(sizes) for sizes in _piece_sizes(table, batches, objective=objective, model=model)])


def largest_pieces(
    table: TokenTable, batches: Sequence[np.ndarray], *, objective: Objective, model: PreTrainedModel
) -> np.ndarray:
    """Return [steps] int64: the places, padding among them, of the largest piece of each step."""
    return np.array([max(sizes) for sizes in _piece_sizes(table, batches, objective=objective, model=model)])


def _piece_sizes(
    table: TokenTable, batches: Sequence[np.ndarray], *, objective: Objective, model: PreTrainedModel
) -> Iterator[list[int]]:
    """Yield for each step the places of each of its pieces."""
    lengths, items, most_terms = table.lengths, objective.items(table), places_at_once(model)
    for rows in batches:
        cut = pieces(rows, lengths[rows], terms=items[rows], most_terms=most_terms, packed=table.packed)
        yield [len(piece) * int(lengths[piece].max()) for piece in cut]
