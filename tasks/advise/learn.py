"""Stage `learn`: all methods trained on one sample of the training split, from one seed; answers are kept.

Reads `base`, `data/tokens`, the rows as ingested and `plans`. Writes into `advise/cells/SIZE-SEED` for each
method its predictions on validation and test, and its scores with what the training saw. One stage for all
methods: their comparison is paired, so that one without the others is worth nothing, and a process that
starts takes as long as the smallest training. What is done when it is stopped stays in scratch, a half
training too.
"""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils.logging import disable_progress_bar

from tasks.evaluate import EVALUATED, Run, wanted_scores, write_json, write_predictions
from tasks.train import drive, monitored, resume
from tritune.advise.effort import Effort, effort_for
from tritune.advise.samples import ALL, sampled_rows
from tritune.compute import chosen_precision, prepare_torch
from tritune.models.finetuned import load_finetuned
from tritune.objectives.named import objective_named
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.model import GenerateSettings
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.sweep.result import Sweep
from tritune.task.contract import Split, task_module
from tritune.tokens import TokensInfo, TokenTable, read_tokens, tokens_info_for
from tritune.training.batches import steps_per_epoch
from tritune.training.loop import train
from tritune.training.memory import advice_on_memory
from tritune.training.optimizer import plan_optimizer
from tritune.training.reduced import reduce_training
from tritune.training.some_rows import rows_of
from tritune.training.start_model import start_model
from tritune.training.state import TrainingState
from tritune.training.write_model import write_model

CELL = "cell.json"
"""Beside the methods' folders: what they have in common."""

SCORES = "scores.json"
"""In a method's folder, beside predictions.parquet."""


@dataclass(frozen=True)
class _Given:
    """What all methods of a cell are trained with."""

    base: Path
    tokens: Path
    info: TokensInfo
    training: TokenTable
    validation: TokenTable
    splits: list[Split]
    rows: np.ndarray
    """Numbers of the training rows in the sample."""

    effort: Effort
    seed: int
    settings: TrainSettings
    """Its epochs are the evaluations of `effort`."""

    compute: ComputeSettings
    generate: GenerateSettings
    device: torch.device
    memos: Path


def run(ctx: StageContext) -> None:
    """Train each method on the sample and let its best weights answer validation and test.

    Raises:
        InputError: A plan is another model's, there is no such device, a loss is not finite, or
            memory runs out.
    """
    size, seed = ctx.item["size"], int(ctx.item["seed"])
    compute, train_settings = ComputeSettings(**ctx.params["compute"]), TrainSettings(**ctx.params["train"])
    device = prepare_torch(compute)
    disable_progress_bar()
    tokens, ingested = ctx.input("data/tokens"), ctx.input("data/ingested")
    info = tokens_info_for(ctx.params["task"], tokens)
    training = read_tokens(tokens / "train.arrow")
    examples = None if size == ALL else int(size)
    rows = sampled_rows(training, examples, objective=info.objective, seed=seed)
    effort = effort_for(
        len(rows),
        whole=training.rows,
        epochs=train_settings.epochs,
        batch_size=train_settings.batch_size,
    )
    given = _Given(
        base=ctx.input("base"),
        tokens=tokens,
        info=info,
        training=training,
        validation=read_tokens(tokens / "validation.arrow"),
        splits=[Split(name, tokens / f"{name}.arrow", ingested / f"{name}.parquet") for name in EVALUATED],
        rows=rows,
        effort=effort,
        seed=seed,
        settings=train_settings.model_copy(update={"epochs": effort.evaluations}),
        compute=compute,
        generate=GenerateSettings(**ctx.params["generate"]),
        device=device,
        memos=ctx.memos,
    )
    examples = examples or info.examples["train"]
    print(f"{examples:,} examples, {effort.passes} passes at most, seed {seed}", flush=True)
    folder = ctx.output_folder(f"advise/cells/{size}-{seed}")
    for method in ctx.params["methods"]:
        done = ctx.scratch / "done" / method
        if done.is_dir():
            ctx.measurements["resumed"] = True
        else:
            print(f"{method}:", flush=True)
            plan = TuningPlan.from_json((ctx.input("plans") / method / "plan.json").read_text("utf-8"))
            sweep = Sweep.from_json((ctx.input("sweeps") / method / "sweep.json").read_text("utf-8"))
            aside = ctx.scratch / "answers"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            began = time.monotonic()
            with advice_on_memory(f"the training of {method}", train_settings, compute):
                prefix_seconds, resumed = learn(
                    given, sweep.applied_to(plan), method=method, scratch=ctx.scratch, folder=aside
                )
            ctx.measurements[f"{method}_seconds"] = time.monotonic() - began
            ctx.measurements["prefix_seconds"] = prefix_seconds + ctx.measurements.get("prefix_seconds", 0.0)
            ctx.measurements["resumed"] = resumed or ctx.measurements.get("resumed", False)
            done.parent.mkdir(exist_ok=True)
            aside.rename(done)
        shutil.copytree(done, folder / method)
    write_json(folder / CELL, cell_content(given, examples=examples))


def learn(given: _Given, plan: TuningPlan, *, method: str, scratch: Path, folder: Path) -> tuple[float, bool]:
    """Train one method, or go on training, and write its answers and scores into `folder`.

    Returns:
        Seconds that it took to store what the frozen layers give, and whether the training had begun before.
    """
    info, settings, device = given.info, given.settings, given.device
    precision, objective = chosen_precision(given.compute, device), objective_named(info.objective)
    model = start_model(given.base, plan, info, seed=given.seed, device=device, method=method)
    # Of the whole split: what the frozen layers give is then stored once, for all samples.
    reduced = reduce_training(
        model,
        plan,
        given.training,
        given.validation,
        objective=objective,
        precision=precision,
        memo_gib=given.compute.prefix_memo_gib,
        recompute=given.compute.recompute_activations,
        pad_token_id=info.pad_token_id,
        memos=given.memos,
    )
    sample = rows_of(reduced.training, np.tile(given.rows, given.effort.passes_each))
    reduced = replace(reduced, training=sample)
    state = TrainingState(model, plan_optimizer(model, plan, weight_decay=settings.weight_decay))
    resumable = scratch / f"training-{method}"
    seconds_before = resume(resumable, state)
    resumed = state.step > 0
    score = task_module(info.task, "score")
    moments = train(
        state,
        plan,
        sample,
        reduced.validation,
        objective=objective,
        settings=settings,
        monitor=monitored(settings, info),
        precision=precision,
        device=device,
        pad_token_id=info.pad_token_id,
        seed=given.seed,
        score=score.scorer(given.splits[0], info),
        recorded=reduced.recorded,
    )
    steps = settings.epochs * steps_per_epoch(sample.rows, batch_size=settings.batch_size)
    drive(
        moments, state, folder=resumable, epochs=settings.epochs, steps=steps, seconds_before=seconds_before
    )
    reduced.undo(state, plan, settings=settings)
    checkpoint = scratch / "model"
    checkpoint.mkdir(exist_ok=True)
    write_model(checkpoint, model, plan, base=given.base, tokens=given.tokens, info=info)
    asked = Run(
        load_finetuned(checkpoint),
        info,
        folder=checkpoint,
        base=given.base,
        seed=given.seed,
        device=device,
        compute=given.compute,
        generate=given.generate,
        memos=given.memos,
    )
    evaluation = score.evaluate(asked, given.splits)
    write_predictions(folder, evaluation)
    write_json(
        folder / SCORES,
        {
            **wanted_scores(evaluation, info),
            "evaluations": len(state.history),
            "best_evaluation": state.best_epoch,
        },
    )
    shutil.rmtree(checkpoint)
    shutil.rmtree(resumable, ignore_errors=True)
    return reduced.prefix_seconds, resumed


def cell_content(given: _Given, *, examples: int) -> dict[str, Any]:
    """Return what the methods of a cell have in common, fit for JSON."""
    table, classes = given.training, {}
    if given.info.objective == "single_label":
        present = len(np.unique(table.labels[given.rows]))
        classes = {
            "classes": len(given.info.labels),
            "classes_without_examples": len(given.info.labels) - present,
        }
    return {
        "examples": examples,
        "rows": len(given.rows),
        "tokens": int(table.lengths[given.rows].sum()),
        "evaluations": given.effort.evaluations,
        "passes_each": given.effort.passes_each,
        **classes,
    }
