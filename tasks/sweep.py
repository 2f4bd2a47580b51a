"""Stage `sweep`: the rate that a method's trainings begin with, where `lr: sweep` leaves it to be found.

Reads `base`, `data/tokens` without its test split, and `plans/METHOD`. Writes `sweeps/METHOD/sweep.json`,
which the method's trainings follow, and `sweeps/METHOD/curve.csv`, for `dvc plots`. Keeps every short
training's result in scratch and goes on from there. Where there is nothing to find it says so, without
importing torch.
"""

import csv
from typing import Any

from pydantic import TypeAdapter

from tritune.pipeline.context import StageContext
from tritune.settings.method import MethodSettings, needs_sweep
from tritune.settings.train import ComputeSettings, TrainSettings
from tritune.sweep.result import Sweep
from tritune.training.memory import advice_on_memory


def run(ctx: StageContext) -> None:
    """Find the method's rate, if it is to be found.

    Raises:
        InputError: the plan is another model's, there is no such device, params.yaml leaves no rate to find,
            every rate led astray, or memory runs out.
    """
    method = ctx.item["method"]
    settings: Any = TypeAdapter(MethodSettings).validate_python(ctx.params[f"method.{method}"])
    train, compute = TrainSettings(**ctx.params["train"]), ComputeSettings(**ctx.params["compute"])
    if needs_sweep(settings):
        with advice_on_memory("a training of the sweep", train, compute):
            found = _found(ctx, settings, train, compute)
    else:
        found = Sweep(reason="the rates of the plan, for params.yaml asks for no sweep")
    folder = ctx.output_folder(f"sweeps/{method}")
    (folder / "sweep.json").write_text(found.to_json(), encoding="utf-8")
    with (folder / "curve.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("round", "seed", "factor", "learning_rate", "validation_loss"))
        for trial in found.trials:
            loss = "" if trial.loss is None else trial.loss
            rate = (found.planned_lr or 0.0) * trial.factor
            writer.writerow((trial.round, trial.seed, trial.factor, rate, loss))
    print(found.reason)


def _found(ctx: StageContext, settings: Any, train: TrainSettings, compute: ComputeSettings) -> Sweep:
    # Only here, so that a method without a sweep costs next to nothing.
    from transformers.utils.logging import disable_progress_bar

    from tritune.compute import chosen_precision, prepare_torch
    from tritune.plan.tuning_plan import TuningPlan
    from tritune.sweep.search import search
    from tritune.sweep.trial import Setting, judge
    from tritune.tokens import read_tokens, tokens_info_for

    method, tokens = ctx.item["method"], ctx.input("data/tokens")
    info = tokens_info_for(ctx.params["task"], tokens)
    device = prepare_torch(compute)
    disable_progress_bar()
    validation = read_tokens(tokens / "validation.arrow")
    setting = Setting(
        method=method,
        base=ctx.input("base"),
        info=info,
        training=read_tokens(tokens / "train.arrow"),
        validation=validation,
        settings=train,
        precision=chosen_precision(compute, device),
        device=device,
        memo_gib=compute.prefix_memo_gib,
        recompute=compute.recompute_activations,
        memos=ctx.memos,
        score=judge(info, validation),
    )
    plan = TuningPlan.from_json((ctx.input(f"plans/{method}") / "plan.json").read_text(encoding="utf-8"))
    return search(setting, plan, settings, memory=ctx.scratch / "trials.json")
