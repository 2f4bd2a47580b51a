"""What the stages before `compare` left of every listed training, read from their files.

Functions that look for their files are given `given`: from a folder's name in the project to where it is.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tritune.comparison import Method, Training, compute_per_token
from tritune.errors import InputError
from tritune.evidence import ahead_of
from tritune.metrics.catalogue import metrics_of
from tritune.metrics.sums import Parts
from tritune.plan.tuning_plan import TuningPlan
from tritune.sweep.result import Sweep
from tritune.task.contract import task_module
from tritune.tokens import TokensInfo

Given = Callable[[str], Path]


def read_method(
    given: Given,
    name: str,
    *,
    histories: Mapping[int, Sequence[Mapping[str, Any]]],
    tokens: TokensInfo,
    epochs: int,
) -> Method:
    """Return a method with the scores of every seed in `histories`, of trainings of at most `epochs`."""
    plan = read_json(method_file(given, "plans", name, "plan.json", stage="prepare"))
    trainings = []
    for seed, history in histories.items():
        scores = read_scores(
            result_file(given, "metrics", name, seed, ".json"),
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


def read_rates(given: Given, name: str, sweep: Sweep) -> dict[str, Any]:
    """Return the highest rate that a method was trained at, why, and what it took to find it."""
    text = method_file(given, "plans", name, "plan.json", stage="prepare").read_text(encoding="utf-8")
    return {
        "peak": sweep.applied_to(TuningPlan.from_json(text)).peak_lr,
        "why": sweep.reason,
        "sweep_steps": sweep.steps,
        "training_steps": sweep.training_steps,
    }


def read_parts(
    folders: Mapping[str, Sequence[Path]], metric: str, *, split: str, tokens: TokensInfo
) -> dict[str, list[Parts]] | None:
    """Return the answers behind every training's score; None where it is not made of sums over examples.

    Args:
        folders: Method -> for each of its trainings the folder with predictions.parquet.
    """
    found: dict[str, list[Parts]] = {}
    for name, of_method in folders.items():
        for folder in of_method:
            part = _parts(folder, metric, split=split, tokens=tokens)
            if part is None:
                return None
            found.setdefault(name, []).append(part)
    return found


def read_baseline(
    given: Given,
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
    folder = given("baseline")
    content = read_json(folder / "baseline.json")
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
    content = read_json(path)
    for split in ("validation", "test"):
        for metric in metrics:
            value = content.get(split, {}).get(metric)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(
                    f"{path}: {split}.{metric} must be a finite number (got {value!r}); "
                    f"make the file anew with `dvc repro -f -s evaluate@{path.stem}`"
                )
    return {split: {metric: content[split][metric] for metric in metrics} for split in content}


def result_file(given: Given, folder: str, name: str, seed: int, ending: str) -> Path:
    """Return where a training's result is: `FOLDER/NAME-SEEDENDING`.

    Raises:
        InputError: It is not there.
    """
    path = given(folder) / f"{name}-{seed}{ending}"
    if not path.is_file():
        stage = "train" if folder == "histories" else "evaluate"
        raise InputError(
            f"{path} is missing: methods and seeds in params.yaml list {name} with seed {seed}; "
            f"make it with `dvc repro {stage}@{name}-{seed}`"
        )
    return path


def method_file(given: Given, folder: str, name: str, file: str, *, stage: str) -> Path:
    """Return where a file of a method is: `FOLDER/NAME/FILE`, as `stage` makes it.

    Raises:
        InputError: It is not there.
    """
    path = given(folder) / name / file
    if not path.is_file():
        raise InputError(f"{path} is missing; make it with `dvc repro {stage}@{name}`")
    return path


def read_json(path: Path) -> Any:
    """Return a file's content."""
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    return content
