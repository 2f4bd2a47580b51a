"""Stage `compare`: which method to ship, and why, as JSON, csv and one HTML page.

Reads every listed training's metrics, evaluation, history, plan and sweep, the ingested data and the number
of training tokens. Writes `results/comparison.json`, `results/comparison.csv` and `results/report.html`. The
choice sees validation scores only. Results of methods and seeds that are not listed are left alone.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tritune.cautions import baseline_cautions, warnings_of
from tritune.comparison import choose, comparison_content, table_rows
from tritune.errors import InputError
from tritune.evidence import weigh
from tritune.metrics.catalogue import main_metric, metrics_of
from tritune.overfit_told import told
from tritune.overfit_watch import Watch, watch
from tritune.pipeline.context import StageContext
from tritune.report import ReportContent, render_report
from tritune.results import (
    method_file,
    read_baseline,
    read_json,
    read_method,
    read_parts,
    read_rates,
    result_file,
)
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
        name: {
            seed: read_history(result_file(ctx.input, "histories", name, seed, ".parquet")) for seed in seeds
        }
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
            ctx.input,
            name,
            histories={s: rows for s, (rows, _) in histories[name].items()},
            tokens=tokens,
            epochs=train.epochs,
        )
        for name in names
    ]
    folders = {name: [ctx.input("evaluations") / f"{name}-{seed}" for seed in seeds] for name in names}
    parts = {
        split: read_parts(folders, settings.metric, split=split, tokens=tokens)
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

    profile = read_json(ctx.input("data/ingested") / "profile.json")
    chosen_method = next(method for method in methods if method.name == choice.method)
    training = next(one for one in chosen_method.trainings if one.seed == choice.seed)
    answers = None if parts["validation"] is None else parts["validation"][choice.method]
    baseline = read_baseline(ctx.input, chosen_method, settings.metric, answers=answers, tokens=tokens)
    evaluation = ctx.input("evaluations") / f"{choice.method}-{choice.seed}"
    floor: Floor | None = show.floor(profile, tokens.labels)
    if (evaluation / "floor.json").is_file():
        floor = Floor(**read_json(evaluation / "floor.json"))
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
        "decided": read_json(evaluation / DECIDED) if (evaluation / DECIDED).is_file() else {},
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
            method_file(ctx.input, "sweeps", name, "sweep.json", stage="sweep").read_text(encoding="utf-8")
        )
        for name in names
    }
    content["rates"] = {name: read_rates(ctx.input, name, sweep) for name, sweep in sweeps.items()}
    made_with = read_json(evaluation / "made_with.json")
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
                name: [
                    read_json(result_file(ctx.input, "evaluations", name, seed, "/changes.json"))
                    for seed in seeds
                ]
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
