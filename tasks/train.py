"""Stage `train`: one training by a method's plan, from one seed.

Reads `base`, `data/tokens`, training and validation rows as ingested, `plans/METHOD`, and `sweeps/METHOD`,
which says how many times the plan's rates to take. Writes `checkpoints/METHOD-SEED`, which any program that
knows transformers can load, and `histories/METHOD-SEED.parquet`. Goes on from its state in scratch.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.errors import InputError
from tritune.metrics.catalogue import main_metric, per_epoch_metrics
from tritune.models.adapters import merge_adapters
from tritune.models.finetuned import mark
from tritune.objectives.named import objective_named
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.sweep.result import Sweep
from tritune.task.contract import Split, task_module
from tritune.tokens import MODEL_FILES, TokensInfo, read_tokens, tokens_info_for
from tritune.training.batches import steps_per_epoch
from tritune.training.checkpoint import checkpoint_bytes, load_checkpoint, save_checkpoint
from tritune.training.history import write_history
from tritune.training.loop import Moment, train
from tritune.training.memory import advice_on_memory
from tritune.training.optimizer import plan_optimizer
from tritune.training.progress import EpochProgress, StepProgress, seconds_left
from tritune.training.reduced import reduce_training
from tritune.training.start_model import start_model
from tritune.training.state import TrainingState
from tritune.training.stored_prefix import frozen_depth
from tritune.training.train_slice import TrainSlice, slice_rows, write_slice
from tritune.training.warning_signs import training_warnings

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
    """
    settings, compute = TrainSettings(**ctx.params["train"]), ComputeSettings(**ctx.params["compute"])
    with advice_on_memory("the training", settings, compute):
        run_training(ctx, settings, compute)


def run_training(ctx: StageContext, settings: TrainSettings, compute: ComputeSettings) -> None:
    """Do it, whatever it needs."""
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
    model = start_model(base, plan, info, seed=seed, device=device, method=method)
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
        pad_token_id=info.pad_token_id,
        memos=ctx.memos,
    )

    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    seconds_before = resume(ctx.scratch / "training", state) + reduced.prefix_seconds
    resumed_from = state.step
    if resumed_from > 0:
        ctx.notes["resumed_from_step"] = resumed_from
    scoring = task_module(ctx.params["task"], "score")
    gold = Split("validation", tokens / "validation.arrow", ctx.input("data/ingested/validation.parquet"))
    given = Split("train", tokens / "train.arrow", ctx.input("data/ingested/train.parquet"))
    rows_watched = slice_rows(training, validation)
    watched = write_slice(given, rows_watched, ctx.scratch / "train_slice")
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
    )
    set_up, started = time.monotonic() - begun - reduced.prefix_seconds, time.monotonic()
    rows = drive(
        moments,
        state,
        folder=ctx.scratch / "training",
        epochs=settings.epochs,
        steps=settings.epochs * steps_per_epoch(training.rows, batch_size=settings.batch_size),
        seconds_before=seconds_before,
    )
    seconds = time.monotonic() - started
    reduced.undo(state, plan, settings=settings)

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


def resume(folder: Path, state: TrainingState) -> float:
    """Give the training the state it was stopped in, and return the seconds it had taken; 0 without one."""
    stored = load_checkpoint(folder, state)
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
        if now - saved >= max(at_least, saving / SHARE_FOR_SAVING):
            save_checkpoint(folder, state, extra={"seconds": seconds_before + now - started})
            saved = time.monotonic()
            saving = saved - now
    return rows


def write_model(
    folder: Path, model: PreTrainedModel, plan: TuningPlan, *, base: Path, tokens: Path, info: TokensInfo
) -> None:
    """Write a folder that holds all that is needed to ask the model: weights, config, tokenizer.

    The model ends here: its adapters are merged into its weights.
    """
    frozen_layers = frozen_depth(model, plan)
    merge_adapters(model)
    mark(
        model,
        task=info.task,
        objective=info.objective,
        inputs=info.inputs,
        answering=info.answering,
        frozen_layers=frozen_layers,
    )
    for leftover in folder.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    model.to("cpu")
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves its files readable by their owner only
    for path in sorted(base.iterdir()):
        if path.is_file() and path.name != "config.json" and ".safetensors" not in path.name:
            shutil.copyfile(path, folder / path.name)
    if (tokens / MODEL_FILES).is_dir():
        shutil.copytree(tokens / MODEL_FILES, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    settings_path = folder / "tokenizer_config.json"
    settings: dict[str, Any] = json.loads(settings_path.read_text("utf-8")) if settings_path.exists() else {}
    # So that a pipeline made from this folder cuts texts where the training did.
    settings["model_max_length"] = info.max_length
    settings_path.write_text(
        json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
    )
