"""Stage `train`: one training by a method's plan, from one seed.

Reads `base`, `data/tokens`, training and validation rows as ingested, `plans/METHOD`, and `sweeps/METHOD`,
which says how many times the plan's rates to take. Writes `checkpoints/METHOD-SEED`, which any program that
knows transformers can load, and `histories/METHOD-SEED.parquet`. Goes on from its state in scratch.
"""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.errors import InputError
from tritune.metrics.catalogue import main_metric, per_epoch_metrics
from tritune.objectives.named import objective_named
from tritune.peak_memory import peak_memory_bytes
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.sweep.result import Sweep
from tritune.task.contract import Split, task_module
from tritune.tokens import TokensInfo, read_tokens, tokens_info_for
from tritune.training.batches import steps_per_epoch
from tritune.training.checkpoint import checkpoint_bytes, load_checkpoint, save_checkpoint
from tritune.training.compiled import is_worth_it
from tritune.training.history import write_history
from tritune.training.launch import in_processes
from tritune.training.loop import Moment, train
from tritune.training.memory import advice_on_memory, smaller
from tritune.training.optimizer import plan_optimizer
from tritune.training.processes import ALONE, Processes, joined
from tritune.training.progress import EpochProgress, StepProgress, seconds_left
from tritune.training.reduced import reduce_training
from tritune.training.sharding import copy_into, shard_model, whole_tensors
from tritune.training.start_model import start_model
from tritune.training.state import TrainingState
from tritune.training.train_slice import TrainSlice, slice_rows, write_slice
from tritune.training.warning_signs import training_warnings
from tritune.training.write_model import write_model

CPU = torch.device("cpu")

SHARE_FOR_SAVING = 0.03
"""Of the time, at most, that storing the state may take."""

SECONDS_BETWEEN_SAVES = 10.0
"""At least, inside an epoch."""

BYTES_PER_SECOND = 200e6
"""Assumed of the disk until the first checkpoint has been timed."""


def run(ctx: StageContext) -> None:
    """Train, or go on training, and write the best epoch's model.

    Raises:
        InputError: the plan is another model's, there is no such device, the loss is not finite, or
            memory runs out.
        ProcessFailed: one of several processes has died or failed.
    """
    settings, compute = TrainSettings(**ctx.params["train"]), ComputeSettings(**ctx.params["compute"])
    if compute.processes == 1:
        with advice_on_memory("the training", settings, compute):
            run_training(ctx, settings, compute)
        return
    meeting = ctx.scratch / "meeting"
    meeting.parent.mkdir(parents=True, exist_ok=True)
    meeting.unlink(missing_ok=True)
    notes, measurements = in_processes(
        run_one_of_several,
        (ctx, settings, compute, meeting),
        count=compute.processes,
        what="the training",
        advice=smaller(settings, compute),
    )
    ctx.notes.update(notes)
    ctx.measurements.update(measurements)


def run_one_of_several(
    number: int, ctx: StageContext, settings: TrainSettings, compute: ComputeSettings, meeting: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do one process's part of a training, and return the notes and the measurements."""
    device = prepare_torch(compute)
    with (
        advice_on_memory("the training", settings, compute),
        joined(meeting, number, settings=compute, device=device) as processes,
    ):
        run_training(ctx, settings, compute, processes)
        peaks = processes.gathered(peak_memory_bytes())
    ctx.measurements.update(processes=compute.processes, peak_memory_bytes=sum(peaks))
    return ctx.notes, ctx.measurements


def run_training(
    ctx: StageContext, settings: TrainSettings, compute: ComputeSettings, processes: Processes = ALONE
) -> None:
    """Do it, whatever it needs; of several processes each calls this, and the first one writes."""
    begun = time.monotonic()
    method, seed = ctx.item["method"], int(ctx.item["seed"])
    device = prepare_torch(compute)
    precision = chosen_precision(compute, device)
    print(f"matrix products in {precision}", flush=True)
    disable_progress_bar()
    tokens = ctx.input("data/tokens")
    info = tokens_info_for(ctx.params["task"], tokens)
    training, validation = read_tokens(tokens / "train.arrow"), read_tokens(tokens / "validation.arrow")
    plan = TuningPlan.from_json((ctx.input(f"plans/{method}") / "plan.json").read_text(encoding="utf-8"))
    base = ctx.input("base")
    objective = objective_named(info.objective)
    monitor = monitored(settings, info)
    start = partial(start_model, base, plan, info, seed=seed, method=method)
    # What is to be taken apart may have no place on a GPU as a whole.
    model = start(device=CPU if processes.sharded else device)
    sweep = Sweep.from_json((ctx.input(f"sweeps/{method}") / "sweep.json").read_text(encoding="utf-8"))
    plan = sweep.applied_to(plan)
    print(f"peak learning rate {plan.peak_lr:.2e}: {sweep.reason}", flush=True)
    reduced = reduce_training(
        model,
        plan,
        training,
        validation,
        objective=objective,
        precision=precision,
        memo_gib=compute.prefix_memo_gib,
        recompute=compute.recompute_activations,
        compiles=is_worth_it(
            compute.compile, plan, tokens=settings.epochs * len(training.tokens), device=device
        ),
        pad_token_id=info.pad_token_id,
        memos=ctx.memos,
        processes=processes,
    )
    if processes.sharded:
        shard_model(model, device=device, count=processes.count)

    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    seconds_before = resume(ctx.scratch / "training", state, processes) + reduced.prefix_seconds
    resumed_from = state.step
    if resumed_from > 0:
        ctx.notes["resumed_from_step"] = resumed_from
    scoring = task_module(ctx.params["task"], "score")
    gold = Split("validation", tokens / "validation.arrow", ctx.input("data/ingested/validation.parquet"))
    given = Split("train", tokens / "train.arrow", ctx.input("data/ingested/train.parquet"))
    rows_watched = slice_rows(training, validation)
    watched = processes.from_first(partial(write_slice, given, rows_watched, ctx.scratch / "train_slice"))
    moments = train(
        state,
        plan,
        reduced.training,
        reduced.validation,
        objective=objective,
        settings=settings,
        monitor=monitor,
        precision=precision,
        device=device,
        pad_token_id=info.pad_token_id,
        seed=seed,
        score=scoring.scorer(gold, info),
        train_slice=TrainSlice(rows_watched, read_tokens(watched.tokens), scoring.scorer(watched, info)),
        recorded=reduced.recorded,
        processes=processes,
    )
    set_up, started = time.monotonic() - begun - reduced.prefix_seconds, time.monotonic()
    rows = drive(
        moments,
        state,
        folder=ctx.scratch / "training",
        epochs=settings.epochs,
        steps=settings.epochs * steps_per_epoch(training.rows, batch_size=settings.batch_size),
        seconds_before=seconds_before,
        processes=processes,
    )
    seconds = time.monotonic() - started
    reduced.undo(state, plan, settings=settings)
    learned = whole_tensors(model, keep=processes.first) if processes.sharded else {}
    if not processes.first:
        return
    if processes.sharded:
        model = start(device=CPU)
        copy_into(model, learned)

    guess = scoring.guess(training, validation, info, label_smoothing=settings.label_smoothing)
    warnings = training_warnings(state.history, guess=guess)
    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    if warnings:
        ctx.notes["warnings"] = warnings
    ctx.measurements.update(
        seconds=seconds_before + seconds,
        setup_seconds=set_up,
        examples_per_second=rows / seconds if rows else None,
        prefix_seconds=reduced.prefix_seconds,
        parameters_trainable=plan.parameters_trainable,
        steps=state.step,
        resumed_from_step=resumed_from,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        precision=precision,
        compiled=reduced.compiled,
        same_bits=reduced.same_bits,
        threads=torch.get_num_threads(),
        cpu=cpu_name(),
    )
    if device.type == "cuda":
        ctx.measurements["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
    checkpoint = ctx.output_folder(f"checkpoints/{method}-{seed}")
    write_model(checkpoint, model, plan, base=base, tokens=tokens, info=info)
    write_history(
        ctx.output_file(f"histories/{method}-{seed}.parquet"),
        state.history,
        parts=state.loss_parts,
        best_epoch=state.best_epoch,
        warnings=warnings,
    )


def monitored(settings: TrainSettings, info: TokensInfo) -> str:
    """Return the metric that picks the best epoch.

    Raises:
        InputError: it is not known after each epoch for what this model is trained for.
    """
    if settings.monitor == "auto":
        return main_metric(info.task, objective=info.objective, per_epoch=True)
    known = per_epoch_metrics(info.task, objective=info.objective)
    if settings.monitor not in known:
        raise InputError(
            f"train.monitor: {settings.monitor} is not known after each epoch for task: {info.task} with "
            f"this model; set it to auto or one of {', '.join(known)}"
        )
    return settings.monitor


def resume(folder: Path, state: TrainingState, processes: Processes = ALONE) -> float:
    """Give the training the state it was stopped in, and return the seconds it had taken; 0 without one."""
    stored = load_checkpoint(folder, state, processes=processes)
    if stored is None:
        return 0.0
    print(f"going on from step {state.step}, where an earlier run was stopped", flush=True)
    return float(stored["seconds"])


def drive(
    moments: Iterator[Moment],
    state: TrainingState,
    *,
    folder: Path,
    epochs: int,
    steps: int,
    seconds_before: float,
    processes: Processes = ALONE,
) -> int:
    """Run the training to its end, telling about it and storing its state; return the rows it saw.

    The clock decides only what is printed and when the state is stored, never what is computed.
    """
    started = printed = saved = time.monotonic()
    saving = checkpoint_bytes(state) / BYTES_PER_SECOND
    first_step, rows = state.step, 0
    for moment in moments:
        rows += moment.rows
        now = time.monotonic()
        if moment.scores is not None:
            scores = {
                name.removeprefix("validation_") if name != "validation_loss" else name: value
                for name, value in moment.scores.items()
                if name not in ("epoch", "step", "learning_rate") and not name.startswith("train_slice_")
            }
            best = state.best_epoch == moment.epoch
            print(EpochProgress(moment.epoch, epochs, scores, best), flush=True)
            if state.stopped and moment.step < steps:
                print(f"stopped early: no better score since epoch {state.best_epoch}", flush=True)
        elif now - printed >= 1:
            printed = now
            line = StepProgress(
                epoch=moment.epoch,
                epochs=epochs,
                step=moment.step,
                steps=steps,
                loss=state.loss_sum.item() / max(moment.terms, 1),
                examples_per_second=rows / (now - started),
                seconds_left=seconds_left(
                    steps_done=moment.step,
                    steps_in_all=steps,
                    steps_timed=moment.step - first_step,
                    seconds=now - started,
                ),
            )
            print(line, flush=True)
        # A short pause at an epoch's end is enough; inside, a checkpoint now and then.
        at_least = 0.0 if moment.scores is not None else SECONDS_BETWEEN_SAVES
        due = now - saved >= max(at_least, saving / SHARE_FOR_SAVING)
        if processes.sharded:  # then all take part in it
            due = processes.from_first(lambda due=due: due)
        if due and (processes.first or processes.sharded):
            spent = seconds_before + now - started
            save_checkpoint(folder, state, extra={"seconds": spent}, processes=processes)
            saved = time.monotonic()
            saving = saved - now
    return rows
