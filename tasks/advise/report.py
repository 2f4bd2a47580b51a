"""Stage `report`: what the learning curves say, as JSON and one HTML page.

Reads every cell that is there, the plans and the number of labels. Writes `advise/advice.json` and
`advise/report.html`. A size counts with the seeds that it has.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.compare import compared_metric
from tasks.evaluate import EVALUATED, write_json
from tritune.advise.advice import AtSize, advise
from tritune.advise.page import render_advice
from tritune.comparison import Method, Training, compute_per_token
from tritune.errors import InputError
from tritune.pipeline.context import StageContext
from tritune.results import read_json, read_parts
from tritune.settings.decide import CompareSettings
from tritune.tokens import TokensInfo, read_tokens_info


def run(ctx: StageContext) -> None:
    """Weigh all cells and write what they say.

    Raises:
        InputError: There is no cell.
    """
    names: list[str] = list(ctx.params["methods"])
    info = read_tokens_info(ctx.input("data/tokens/tokens.json").parent)
    settings = CompareSettings(**ctx.params["compare"])
    settings = settings.model_copy(update={"metric": compared_metric(settings, info)})
    plans = {name: read_json(ctx.input("plans") / name / "plan.json") for name in names}
    cells: dict[str, dict[int, Path]] = {}
    for folder in sorted(ctx.input("advise/cells").glob("*-*")):
        size, _, seed = folder.name.rpartition("-")
        cells.setdefault(size, {})[int(seed)] = folder
    if not cells:
        raise InputError("advise/cells holds nothing to report on; compute some with `tritune advise`")
    sizes = [
        read_size(size, dict(sorted(seeds.items())), plans=plans, metric=settings.metric, info=info)
        for size, seeds in cells.items()
    ]
    content = {"task": ctx.params["task"]} | advise(sorted(sizes, key=lambda one: one.examples), settings)
    write_json(ctx.output_file("advise/advice.json"), content)
    ctx.output_file("advise/report.html").write_text(render_advice(content), encoding="utf-8")
    for sentence in content["verdict"]:
        print(sentence)


def read_size(
    size: str,
    seeds: Mapping[int, Path],
    *,
    plans: Mapping[str, Mapping[str, Any]],
    metric: str,
    info: TokensInfo,
) -> AtSize:
    """Return all trainings at one size.

    Args:
        seeds: Seed -> the folder of its cell; at least one.
        plans: Method -> content of its plan.json.
    """
    told = {seed: read_json(folder / "cell.json") for seed, folder in seeds.items()}
    first = next(iter(told.values()))
    folders = {name: [folder / name for folder in seeds.values()] for name in plans}
    return AtSize(
        size=size,
        examples=first["examples"],
        methods=[_method(name, plan, seeds, told) for name, plan in plans.items()],
        parts={split: read_parts(folders, metric, split=split, tokens=info) for split in EVALUATED},
        passes=first["evaluations"] * first["passes_each"],
        evaluations=first["evaluations"],
        classes=first.get("classes"),
        classes_without_examples=[one.get("classes_without_examples", 0) for one in told.values()],
    )


def _method(
    name: str,
    plan: Mapping[str, Any],
    seeds: Mapping[int, Path],
    told: Mapping[int, Mapping[str, Any]],
) -> Method:
    trainings = []
    for seed, folder in seeds.items():
        scores, cell = read_json(folder / name / "scores.json"), told[seed]
        evaluations = scores["evaluations"]
        per_token = compute_per_token(plan["phases"], epochs=cell["evaluations"], run=evaluations)
        trainings.append(
            Training(
                seed=seed,
                validation=scores["validation"],
                test=scores["test"],
                epochs=evaluations,
                best_epoch=scores["best_evaluation"],
                compute=per_token * cell["passes_each"] * cell["tokens"],
            )
        )
    return Method(
        name=name,
        kind=plan["kind"],
        parameters_trainable=plan["parameters_trainable"],
        parameters_total=plan["parameters_total"],
        trainings=trainings,
    )
