"""`tritune plan`: what each method would train, at which rate, without training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tritune.errors import InputError
from tritune.models.base import is_made, is_made_of, locate_base
from tritune.settings.problems import did_you_mean
from tritune.settings.project import Project, read_project

if TYPE_CHECKING:
    from tritune.plan.tuning_plan import TuningPlan


def plan(methods: Sequence[str] | None) -> None:
    """Print the tuning plan of each named method; of all in `methods` of params.yaml if none is named.

    Works before the first run: the base model is read where `model.source` says, without its weights.

    Raises:
        InputError: An unknown method, no model, or a plan that does not fit the model.
    """
    root = Path.cwd()
    project = read_project(root / "params.yaml")
    names = named_methods(project, methods)
    headline, plans = compiled_plans(project, names, root=root)

    from tritune.plan.table import plan_remarks, plan_table

    sweeps = found_rates(root, plans)
    console = Console()
    console.print(headline, highlight=False, soft_wrap=True)
    for name, compiled in plans.items():
        kind = project.method[name].kind
        console.print()
        console.print(plan_table(compiled, title=name if name == kind else f"{name} ({kind})"))
        for remark in [*plan_remarks(compiled), *sweeps[name]]:
            console.print(remark, highlight=False, soft_wrap=True)


def named_methods(project: Project, methods: Sequence[str] | None) -> list[str]:
    """Return the given methods, or those listed in params.yaml.

    Raises:
        InputError: A method is not defined there.
    """
    names = list(methods or project.methods)
    for name in names:
        if name not in project.method:
            raise InputError(
                f"there is no method {name} in params.yaml{did_you_mean(name, project.method)}; "
                f"defined are {', '.join(project.method)}"
            )
    return names


def compiled_plans(
    project: Project, names: Sequence[str], *, root: Path
) -> "tuple[str, dict[str, TuningPlan]]":
    """Return what the plans are for, in a line, and the plan of each method by its name in params.yaml.

    Raises:
        InputError: There is no model, or a plan does not fit it.
    """
    folder = _base(project, root)

    # Everything above answers at once; these take seconds to import.
    from transformers import AutoConfig

    from tritune.families import family_of, objective_of
    from tritune.models.load import empty_model
    from tritune.objectives.named import objective_named
    from tritune.plan.make import make_plan

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    objective = objective_of(project.task, family_of(config), multi_label=project.data.multi_label)
    labels, remark = _labels(root) if objective_named(objective).config(["0", "1"]) else ([], objective)
    model, new_tensors = empty_model(folder, objective=objective, labels=labels)
    plans = {}
    for name in names:
        settings, key = project.method[name], f"method.{name}"
        plans[name] = make_plan(model, settings, new_tensors=new_tensors, key=key)
    return _headline(project, type(model).__name__, remark), plans


def found_rates(root: Path, plans: "Mapping[str, TuningPlan]") -> dict[str, list[str]]:
    """Return what the last run's sweep of each method found, in a sentence or none."""
    from tritune.sweep.result import Sweep

    found: dict[str, list[str]] = {name: [] for name in plans}
    for name, plan in plans.items():
        path = root / f"sweeps/{name}/sweep.json"
        if path.is_file():
            sweep = Sweep.from_json(path.read_text(encoding="utf-8"))
            if sweep.applied_to(plan) != plan:
                peak = f"{sweep.applied_to(plan).peak_lr:.1e}"
                found[name] = [f"in the last run trained at a peak of {peak}: {sweep.reason}"]
    return found


def _base(project: Project, root: Path) -> Path:
    """Return the folder with the base model: where the settings say, or `base` where it has to be made first.

    Raises:
        InputError: It has to be made first, and was not yet.
    """
    found = locate_base(project.model, root=root)
    if not is_made(project.model):
        return found.path
    if is_made_of(root / "base", found):
        return root / "base"
    how = "paired" if project.model.decoder else "converted"
    raise InputError(
        f"model.source: {project.model.source} has to be {how} before it can be planned for: "
        "`tritune run` or `dvc repro fetch` does it, once"
    )


def _headline(project: Project, architecture: str, remark: str) -> str:
    source = " and ".join(filter(None, (project.model.source, project.model.decoder)))
    return f"{architecture} from {source}, {remark}"


def _labels(root: Path) -> tuple[list[str], str]:
    """Return the labels that the data have, or two stand-ins, and a remark that says which."""
    path = root / "data/ingested/labels.json"
    if path.is_file():
        labels = json.loads(path.read_text(encoding="utf-8"))
        return labels, f"{len(labels)} labels"
    return ["0", "1"], "2 labels assumed: the data are not ingested yet"
