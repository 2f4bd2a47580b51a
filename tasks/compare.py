"""Stage `compare`: which method to ship, and why, as JSON, csv and one HTML page.

Reads every listed training's metrics, evaluation, history, plan and sweep, the ingested data and the number
of training tokens. Writes `results/comparison.json`, `results/comparison.csv` and `results/report.html`. The
choice sees validation scores only. Results of methods and seeds that are not listed are left alone.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tritune.cautions import baseline_cautions, warnings_of
from tritune.comparison import (
    Method,
    Training,
    choose,
    comparison_content,
    compute_per_token,
    table_rows,
)
from tritune.errors import InputError
from tritune.evidence import ahead_of, weigh
from tritune.metrics.catalogue import main_metric, metrics_of
from tritune.metrics.sums import Parts
from tritune.overfit_told import told
from tritune.overfit_watch import Watch, watch
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import TuningPlan
from tritune.report import ReportContent, render_report
from tritune.settings.decide import CompareSettings
from tritune.settings.train import TrainSettings
from tritune.sweep.result import Sweep
from tritune.task.contract import DECIDED, Floor, Shipped, task_module
from tritune.tokens import TokensInfo, read_tokens_info
from tritune.training.history import read_history


def run(ctx: StageContext) -> None:
    """Compare, choose, report.

    Raises:
        InputError: The result of a listed method and seed is missing or broken.
    """
    names: list[str] = list(ctx.params["methods"])
    seeds: list[int] = [int(seed) for seed in ctx.params["seeds"]]
    train, settings = TrainSettings(**ctx.params["train"]), CompareSettings(**ctx.params["compare"])
    # tokens.json lies beside the token tables; only its counts matter here.
    tokens = read_tokens_info(ctx.input("data/tokens/tokens.json").parent)
    show = task_module(ctx.params["task"], "show")
    settings = settings.model_copy(update={"metric": compared_metric(settings, tokens)})
    monitor: str = train.monitor
    if monitor == "auto":
        monitor = main_metric(tokens.task, objective=tokens.objective, per_epoch=True)
    histories = {
        name: {seed: read_history(_result(ctx, "histories", name, seed, ".parquet")) for seed in seeds}
        for name in names
    }
    watches = {
        name: {
            seed: watch(
                rows,
                monitor=monitor,
                margin=settings.margin,
                epochs=train.epochs,
                examples=tokens.examples["validation"],
            )
            for seed, (rows, _) in histories[name].items()
        }
        for name in names
    }
    methods = [
        read_method(
            ctx,
            name,
            histories={s: rows for s, (rows, _) in histories[name].items()},
            tokens=tokens,
            epochs=train.epochs,
        )
        for name in names
    ]
    parts = {
        split: read_parts(ctx, names, seeds, settings.metric, split=split, tokens=tokens)
        for split in ("validation", "test")
    }
    evidence = {
        split: weigh(
            {
                one.name: [getattr(training, split)[settings.metric] for training in one.trainings]
                for one in methods
            },
            metric=settings.metric,
            parts=parts[split],
        )
        for split in parts
    }
    choice = choose(methods, settings, evidence["validation"])
    content = comparison_content(methods, choice, settings, evidence)

    profile = _read_json(ctx.input("data/ingested") / "profile.json")
    chosen_method = next(method for method in methods if method.name == choice.method)
    training = next(one for one in chosen_method.trainings if one.seed == choice.seed)
    answers = None if parts["validation"] is None else parts["validation"][choice.method]
    baseline = read_baseline(ctx, chosen_method, settings.metric, answers=answers, tokens=tokens)
    evaluation = ctx.input("evaluations") / f"{choice.method}-{choice.seed}"
    floor: Floor | None = show.floor(profile, tokens.labels)
    if (evaluation / "floor.json").is_file():
        floor = Floor(**_read_json(evaluation / "floor.json"))
    shipped = Shipped(
        evaluation=evaluation,
        ingested=ctx.input("data/ingested"),
        labels=tokens.labels,
        objective=tokens.objective,
        profile=profile,
        scores={"validation": training.validation, "test": training.test},
        floor=floor,
    )
    content |= {
        "task": ctx.params["task"],
        "decided": _read_json(evaluation / DECIDED) if (evaluation / DECIDED).is_file() else {},
        "objective": tokens.objective,
        "metrics": list(metrics_of(tokens.task, objective=tokens.objective)),
        "labels": tokens.labels,
        "rows": {split: part["rows"] for split, part in profile["splits"].items()},
        "floor": None if floor is None else {"name": floor.name, **floor.scores},
        "baseline": baseline,
        "data": {
            "rows_given": profile["rows_given"],
            "splits_cut_from_train": profile["splits_cut_from_train"],
            "max_length": tokens.max_length,
            "counts": tokens.counts,
        },
        "overfit_watch": watch_content(watches, monitor=monitor),
        "warnings": warnings_of(
            {name: {seed: own for seed, (_, own) in seeds.items()} for name, seeds in histories.items()},
            watches,
            monitor=monitor,
            first=[
                *show.cautions(choice.method, shipped),
                *baseline_cautions(choice.method, baseline, settings.metric),
            ],
        ),
    }
    sweeps = {
        name: Sweep.from_json(
            _of_method(ctx, "sweeps", name, "sweep.json", stage="sweep").read_text(encoding="utf-8")
        )
        for name in names
    }
    content["rates"] = {name: read_rates(ctx, name, sweep) for name, sweep in sweeps.items()}
    made_with = _read_json(evaluation / "made_with.json")
    page = render_report(
        ReportContent(
            comparison=content,
            histories={name: {s: r for s, (r, _) in histories[name].items()} for name in names},
            task_template=Path(str(show.__file__)).with_name("show.html.j2"),
            task_block=show.block(shipped),
            data_columns={split: show.data_columns(part) for split, part in profile["splits"].items()},
            profile=profile,
            parameters={
                "task": ctx.params["task"],
                "methods": ", ".join(names),
                "seeds": ", ".join(map(str, seeds)),
                "train": train.model_dump(),
                "compare": settings.model_dump(),
                **made_with,
            },
            monitor=monitor,
            sweeps=sweeps,
            changes={
                name: [_read_json(_result(ctx, "evaluations", name, seed, "/changes.json")) for seed in seeds]
                for name in names
            },
        )
    )
    ctx.output_file("results/report.html").write_text(page, encoding="utf-8", newline="\n")
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    ctx.output_file("results/comparison.json").write_text(text + "\n", encoding="utf-8")
    write_table(ctx.output_file("results/comparison.csv"), table_rows(content))
    print(choice.reason, choice.sureness)
    for warning in content["warnings"]:
        print(f"warning: {warning}")


def compared_metric(settings: CompareSettings, tokens: TokensInfo) -> str:
    """Return the metric that the methods are compared by.

    Raises:
        InputError: The task has no such metric.
    """
    if settings.metric == "auto":
        return main_metric(tokens.task, objective=tokens.objective)
    known = metrics_of(tokens.task, objective=tokens.objective)
    if settings.metric not in known:
        raise InputError(
            f"compare.metric: task: {tokens.task} has no {settings.metric} with this model and data; set it "
            f"to auto or one of {', '.join(known)}"
        )
    return settings.metric


def read_method(
    ctx: StageContext,
    name: str,
    *,
    histories: Mapping[int, Sequence[Mapping[str, Any]]],
    tokens: TokensInfo,
    epochs: int,
) -> Method:
    """Return a method with the scores of every seed in `histories`, of trainings of at most `epochs`."""
    plan = _read_json(_of_method(ctx, "plans", name, "plan.json", stage="prepare"))
    trainings = []
    for seed, history in histories.items():
        scores = read_scores(
            _result(ctx, "metrics", name, seed, ".json"),
            metrics=metrics_of(tokens.task, objective=tokens.objective),
        )
        best = next(row for row in history if row["best"])
        trainings.append(
            Training(
                seed=seed,
                validation=scores["validation"],
                test=scores["test"],
                epochs=len(history),
                best_epoch=best["epoch"],
                compute=compute_per_token(plan["phases"], epochs=epochs, run=len(history))
                * tokens.tokens["train"],
            )
        )
    return Method(
        name=name,
        kind=plan["kind"],
        parameters_trainable=plan["parameters_trainable"],
        parameters_total=plan["parameters_total"],
        trainings=trainings,
    )


def read_rates(ctx: StageContext, name: str, sweep: Sweep) -> dict[str, Any]:
    """Return the highest rate that a method was trained at, why, and what it took to find it."""
    text = _of_method(ctx, "plans", name, "plan.json", stage="prepare").read_text(encoding="utf-8")
    return {
        "peak": sweep.applied_to(TuningPlan.from_json(text)).peak_lr,
        "why": sweep.reason,
        "sweep_steps": sweep.steps,
        "training_steps": sweep.training_steps,
    }


def read_parts(
    ctx: StageContext,
    names: Sequence[str],
    seeds: Sequence[int],
    metric: str,
    *,
    split: str,
    tokens: TokensInfo,
) -> dict[str, list[Parts]] | None:
    """Return the answers behind every training's score; None where it is not made of sums over examples."""
    found: dict[str, list[Parts]] = {}
    for name in names:
        for seed in seeds:
            part = _parts(ctx.input("evaluations") / f"{name}-{seed}", metric, split=split, tokens=tokens)
            if part is None:
                return None
            found.setdefault(name, []).append(part)
    return found


def read_baseline(
    ctx: StageContext,
    method: Method,
    metric: str,
    *,
    answers: Sequence[Parts] | None,
    tokens: TokensInfo,
) -> dict[str, Any] | None:
    """Return the baseline's name and scores, and how far a method is ahead of it on validation.

    `advantage` and `interval` are null where the baseline has no such score. None without a baseline.

    Args:
        answers: [seeds] those behind the method's scores on the validation split; None as for `read_parts`.
    """
    folder = ctx.input("baseline")
    content = _read_json(folder / "baseline.json")
    if content is None:
        return None
    scores = content["scores"]
    told: dict[str, Any] = {"name": content["name"], **scores, "advantage": None, "interval": None}
    if metric in scores["validation"]:
        others = _parts(folder, metric, split="validation", tokens=tokens) if answers else None
        ahead = ahead_of(
            [training.validation[metric] for training in method.trainings],
            scores["validation"][metric],
            metric=metric,
            parts=answers,
            others=others,
        )
        told |= {"advantage": ahead.value, "interval": ahead.interval()}
    return told


def _parts(folder: Path, metric: str, *, split: str, tokens: TokensInfo) -> Parts | None:
    read: Any = task_module(tokens.task, "parts").parts
    parts: Parts | None = read(
        folder, metric, split=split, labels=len(tokens.labels), objective=tokens.objective
    )
    return parts


def read_scores(path: Path, *, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the validation and test scores.

    Raises:
        InputError: A metric is missing or not a finite number.
    """
    content = _read_json(path)
    for split in ("validation", "test"):
        for metric in metrics:
            value = content.get(split, {}).get(metric)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(
                    f"{path}: {split}.{metric} must be a finite number (got {value!r}); "
                    f"make the file anew with `dvc repro -f -s evaluate@{path.stem}`"
                )
    return {split: {metric: content[split][metric] for metric in metrics} for split in content}


def watch_content(watches: Mapping[str, Mapping[int, Watch]], *, monitor: str) -> dict[str, Any]:
    """Return what the histories show, fit for JSON: the monitored metric, and method -> seed -> finding."""
    found = {
        name: {
            str(seed): {**one.content(), "sentence": told(name, one, monitor=monitor)}
            for seed, one in seeds.items()
        }
        for name, seeds in watches.items()
    }
    return {"monitor": monitor, "methods": found}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per method."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _result(ctx: StageContext, folder: str, name: str, seed: int, ending: str) -> Path:
    path = ctx.input(folder) / f"{name}-{seed}{ending}"
    if not path.is_file():
        stage = "train" if folder == "histories" else "evaluate"
        raise InputError(
            f"{path} is missing: methods and seeds in params.yaml list {name} with seed {seed}; "
            f"make it with `dvc repro {stage}@{name}-{seed}`"
        )
    return path


def _of_method(ctx: StageContext, folder: str, name: str, file: str, *, stage: str) -> Path:
    path = ctx.input(folder) / name / file
    if not path.is_file():
        raise InputError(f"{path} is missing; make it with `dvc repro {stage}@{name}`")
    return path


def _read_json(path: Path) -> Any:
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    return content
