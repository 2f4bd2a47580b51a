"""Stage `compare`: which method to ship, and why, as JSON, csv and one HTML page.

Reads every listed training's metrics, evaluation, history and plan, the ingested data and the number of
training tokens. Writes `results/comparison.json`, `results/comparison.csv` and `results/report.html`. The
choice sees validation scores only. Results of methods and seeds that are not listed are left alone.
"""

import csv
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.cautions import floor_caution, overfitting_caution, unfinished_caution
from tritune.comparison import Method, Training, choose, comparison_content, table_rows
from tritune.errors import InputError
from tritune.metrics.direction import METRICS
from tritune.metrics.floor import majority_class, majority_floor
from tritune.mistakes import Answers, confused_pairs, surest_mistakes
from tritune.pipeline.context import StageContext
from tritune.report import ReportContent, render_report
from tritune.settings.decide import CompareSettings
from tritune.settings.train import TrainSettings
from tritune.tokens import read_tokens_info


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
    histories = {
        name: {seed: read_history(_result(ctx, "histories", name, seed, ".parquet")) for seed in seeds}
        for name in names
    }
    methods = [
        read_method(ctx, name, histories={s: rows for s, (rows, _) in histories[name].items()}, tokens=tokens)
        for name in names
    ]
    choice = choose(methods, settings)
    content = comparison_content(methods, choice, settings)

    profile = _read_json(ctx.input("data/ingested") / "profile.json")
    counts = {
        split: [part["rows_per_label"][label] for label in tokens.labels]
        for split, part in profile["splits"].items()
    }
    rows = {split: sum(values) for split, values in counts.items()}
    majority = tokens.labels[majority_class(counts["train"])]
    floors = {split: majority_floor(counts["train"], counts[split]) for split in ("validation", "test")}
    chosen_method = next(method for method in methods if method.name == choice.method)
    shipped = next(one for one in chosen_method.trainings if one.seed == choice.seed)
    content |= {
        "task": ctx.params["task"],
        "labels": tokens.labels,
        "rows": rows,
        "floors": {"label": majority, **floors},
        "data": {
            "rows_given": profile["rows_given"],
            "splits_cut_from_train": profile["splits_cut_from_train"],
            "max_length": tokens.max_length,
            "truncated": tokens.truncated,
        },
        "warnings": warnings_of(
            names,
            histories,
            train=train,
            margin=settings.margin,
            floor=floor_caution(
                name=choice.method,
                validation=shipped.validation,
                floor=floors["validation"],
                rows=rows["validation"],
                majority=majority,
            ),
        ),
    }
    evaluation = ctx.input("evaluations") / f"{choice.method}-{choice.seed}"
    answers = read_validation(evaluation / "predictions.parquet")
    mistakes = surest_mistakes(answers, labels=tokens.labels)
    texts = texts_of(ctx.input("data/ingested") / "validation.parquet", {one["id"] for one in mistakes})
    made_with = _read_json(evaluation / "made_with.json")
    page = render_report(
        ReportContent(
            comparison=content,
            histories={name: {s: r for s, (r, _) in histories[name].items()} for name in names},
            per_class=read_per_class(evaluation / "per_class.csv"),
            confused=confused_pairs(answers, labels=tokens.labels),
            reliability=read_calibration(evaluation / "calibration.csv"),
            mistakes=[one | {"text": texts[one["id"]]} for one in mistakes],
            profile=profile,
            parameters={
                "task": ctx.params["task"],
                "methods": ", ".join(names),
                "seeds": ", ".join(map(str, seeds)),
                "train": train.model_dump(),
                "compare": settings.model_dump(),
                **made_with,
            },
            monitor=train.monitor,
        )
    )
    ctx.output_file("results/report.html").write_text(page, encoding="utf-8", newline="\n")
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    ctx.output_file("results/comparison.json").write_text(text + "\n", encoding="utf-8")
    write_table(ctx.output_file("results/comparison.csv"), table_rows(content))
    print(choice.reason)
    for warning in content["warnings"]:
        print(f"warning: {warning}")


def read_method(
    ctx: StageContext, name: str, *, histories: Mapping[int, Sequence[Mapping[str, Any]]], tokens: Any
) -> Method:
    """Return a method with the scores of every seed in `histories`."""
    plan_file = ctx.input("plans") / name / "plan.json"
    if not plan_file.is_file():
        raise InputError(f"{plan_file} is missing; make it with `dvc repro prepare@{name}`")
    plan = _read_json(plan_file)
    trainings = []
    for seed, history in histories.items():
        scores = read_scores(_result(ctx, "metrics", name, seed, ".json"))
        best = next(row for row in history if row["best"])
        trainings.append(
            Training(
                seed=seed,
                validation=scores["validation"],
                test=scores["test"],
                epochs=len(history),
                best_epoch=best["epoch"],
            )
        )
    return Method(
        name=name,
        kind=plan["kind"],
        parameters_trainable=plan["parameters_trainable"],
        parameters_total=plan["parameters_total"],
        compute_per_epoch=plan["trained_compute_per_token"] * tokens.tokens["train"],
        trainings=trainings,
    )


def read_scores(path: Path) -> dict[str, dict[Any, float]]:
    """Return the validation and test scores.

    Raises:
        InputError: A metric is missing or not a finite number.
    """
    content = _read_json(path)
    for split in ("validation", "test"):
        for metric in METRICS:
            value = content.get(split, {}).get(metric)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(
                    f"{path}: {split}.{metric} must be a finite number (got {value!r}); "
                    f"make the file anew with `dvc repro -f -s evaluate@{path.stem}`"
                )
    return {split: {metric: content[split][metric] for metric in METRICS} for split in content}


def read_history(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return one row per epoch, and the warnings of the training."""
    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    return table.to_pylist(), json.loads(metadata.get(b"warnings", b"[]"))


def warnings_of(
    names: Sequence[str],
    histories: Mapping[str, Mapping[int, tuple[list[dict[str, Any]], list[str]]]],
    *,
    train: TrainSettings,
    margin: float,
    floor: str | None,
) -> list[str]:
    """Return all warnings, that of the chosen model first; what several trainings share is said once."""
    sharing: dict[str, list[str]] = {}
    single: list[str] = []
    for name in names:
        for seed, (history, own) in histories[name].items():
            called = f"{name} (seed {seed})" if len(histories[name]) > 1 else name
            for warning in own:
                sharing.setdefault(warning, []).append(called)
            unfinished = unfinished_caution(
                called, history, monitor=train.monitor, margin=margin, epochs=train.epochs
            )
            overfits = overfitting_caution(called, history)
            single += [sentence for sentence in (overfits, unfinished) if sentence]
    shared = [f"{', '.join(trainings)}: {warning}" for warning, trainings in sharing.items()]
    return [*([floor] if floor else []), *shared, *single]


def read_validation(path: Path) -> Answers:
    """Return the predictions of the validation split."""
    parts: dict[str, list[np.ndarray]] = {"label": [], "predicted": [], "confidence": [], "own": []}
    row_ids: list[str] = []
    for batch in pq.ParquetFile(path).iter_batches(65_536):
        rows = batch.filter(pc.equal(batch.column("split"), "validation"))
        if rows.num_rows == 0:
            continue
        label = rows.column("label").to_numpy()
        probabilities = rows.column("probabilities").flatten().to_numpy().reshape(rows.num_rows, -1)
        row_ids += rows.column("id").to_pylist()
        parts["label"].append(label)
        parts["predicted"].append(rows.column("predicted").to_numpy())
        parts["confidence"].append(probabilities.max(axis=1))
        parts["own"].append(probabilities[np.arange(len(label)), label])
    return Answers(row_ids, **{name: np.concatenate(values) for name, values in parts.items()})


def texts_of(path: Path, row_ids: Collection[str]) -> dict[str, str]:
    """Return the texts of some rows by their ids, without holding all texts."""
    found = {}
    for batch in pq.ParquetFile(path).iter_batches(65_536, columns=["id", "text"]):
        for row_id, text in zip(
            batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True
        ):
            if row_id in row_ids:
                found[row_id] = text
    return found


def read_per_class(path: Path) -> list[dict[str, Any]]:
    """Return one row per class: label, and the scores of both splits."""
    found: dict[str, dict[str, Any]] = {}
    for row in _read_csv(path):
        scores: dict[str, float] = {name: float(row[name]) for name in ("precision", "recall", "f1")}
        found.setdefault(row["label"], {"label": row["label"]})[row["split"]] = {
            "rows": int(row["rows"]),
            **scores,
        }
    return list(found.values())


def read_calibration(path: Path) -> list[tuple[float, float, float, int]]:
    """Return lower and upper edge, accuracy and rows of each bin of the validation split."""
    return [
        (float(row["lower"]), float(row["upper"]), float(row["accuracy"]), int(row["rows"]))
        for row in _read_csv(path)
        if row["split"] == "validation"
    ]


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


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
