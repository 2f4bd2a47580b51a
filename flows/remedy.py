"""`tritune remedy`: what to try against a method's overfitting, ranked, as entries for params.yaml."""

import io
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from ruamel.yaml import YAML

from flows.plan import named_methods
from flows.summary import read_comparison, say
from tritune.errors import InputError
from tritune.metrics.catalogue import advantage, metric_title
from tritune.pipeline.outcome import StageFailed
from tritune.plan.scaled import scaled
from tritune.plan.tuning_plan import TuningPlan
from tritune.remedies import Milder, Remedy, remedies
from tritune.settings.project import Project, read_project
from tritune.sweep.result import Sweep

COMPARISON = "results/comparison.json"


def remedy(name: str, *, tries: bool) -> int:
    """Print what the last comparison shows of a method and, where it overfits, what to try.

    The exit code: 0, or that of a trial that failed.

    Args:
        tries: Whether to train the remedies aside and print how they compare with the method.

    Raises:
        InputError: There is no such method, or no comparison that knows it.
    """
    root, console = Path.cwd(), Console()
    project = read_project(root / "params.yaml")
    named_methods(project, [name])
    comparison = read_comparison(root)
    watched = findings(comparison, name)
    finding = worst(watched)
    say(console, finding["sentence"])
    if finding["verdict"] != "overfitting":
        return 0
    found = ranked(name, project, comparison, finding, root=root)
    say(console, "\nWhat to try, the most promising first; params.yaml stays as it is:")
    for number, each in enumerate(found, 1):
        say(console, f"\n{number}. {each.title}: {each.reason}.\n")
        console.print(entry(each, project), highlight=False, markup=False, soft_wrap=True, end="")
    if not tries:
        say(console, f"\n`tritune remedy {name} --try` trains them aside and compares.")
        return 0
    from flows.remedy_trial import try_remedies

    console.print()
    try:
        lines = try_remedies(root, name, [each for each in found if each.name is not None])
    except StageFailed as failure:
        print(f"error: {failure.stage}: {failure.summary}", file=sys.stderr)
        return 2 if failure.users_error else 1
    for line in lines:
        say(console, line)
    return 0


def findings(comparison: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the comparison's overfit watch found for each seed of a method.

    Raises:
        InputError: There is no comparison, or it does not know.
    """
    if not comparison:
        raise InputError(
            f"{COMPARISON} is not there yet, and remedies are ranked by what a training showed; make it with "
            "`tritune run`, then try again"
        )
    if "overfit_watch" not in comparison:
        raise InputError(
            f"{COMPARISON} was made by a version that did not watch for overfitting; make it anew with "
            "`tritune run`, then try again"
        )
    found: Mapping[str, Mapping[str, Any]] = comparison["overfit_watch"]["methods"].get(name, {})
    if not found:
        known = ", ".join(comparison["overfit_watch"]["methods"])
        raise InputError(
            f"{COMPARISON} does not know the method {name}, only {known}; list it under `methods` in "
            "params.yaml and `tritune run`, then try again"
        )
    return found


def worst(found: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the finding that most calls for a remedy: of the seeds that overfit, the largest rise."""

    def rise(one: Mapping[str, Any]) -> float:
        return float(one["last"]["validation_loss"] / max(one["before"]["validation_loss"], 1e-12))

    return max(found.values(), key=lambda one: (one["verdict"] == "overfitting", rise(one)))


def ranked(
    name: str, project: Project, comparison: Mapping[str, Any], finding: Mapping[str, Any], *, root: Path
) -> list[Remedy]:
    """Return the remedies for a method that overfits.

    Raises:
        InputError: Its plan, or the sweep of its rates, is missing.
    """
    path = root / "plans" / name / "plan.json"
    if not path.is_file():
        raise InputError(f"plans/{name}/plan.json is missing; make it with `dvc repro prepare@{name}`")
    return remedies(
        name,
        project.method[name].model_dump(),
        at_trained_rates(name, TuningPlan.from_json(path.read_text(encoding="utf-8")), project, root=root),
        onset=int(finding["onset"]),
        epochs=project.train.epochs,
        milder=milder_than(name, comparison),
        taken=project.method,
    )


def at_trained_rates(name: str, plan: TuningPlan, project: Project, *, root: Path) -> TuningPlan:
    """Return a method's plan at the rate that its sweep found, if it was to find one.

    Without what gradient norms say: an entry that asks for them has them measured anew.

    Raises:
        InputError: The sweep is missing.
    """
    if project.method[name].lr != "sweep":
        return plan
    path = root / "sweeps" / name / "sweep.json"
    if not path.is_file():
        raise InputError(f"sweeps/{name}/sweep.json is missing; make it with `dvc repro sweep@{name}`")
    return scaled(plan, Sweep.from_json(path.read_text(encoding="utf-8")).factor)


def milder_than(name: str, comparison: Mapping[str, Any]) -> Milder | None:
    """Return the best of the methods in which less learns, no seed overfits, and the score is as good.

    None where there is none.
    """
    watched, metric = comparison["overfit_watch"]["methods"], comparison["metric"]

    def score_of(one: Mapping[str, Any]) -> float:
        return float(one["validation"][metric])

    methods = {one["method"]: one for one in comparison["methods"]}
    own = methods[name]
    less = [
        one
        for one in methods.values()
        if one["parameters_trainable"] < own["parameters_trainable"]
        and advantage(metric, score_of(one), score_of(own)) >= -comparison["margin"]
        and all(seed["verdict"] != "overfitting" for seed in watched[one["method"]].values())
    ]
    if not less:
        return None
    best = max(less, key=lambda one: advantage(metric, score_of(one), 0.0))
    return Milder(
        best["method"],
        best["parameters_trainable"] / own["parameters_trainable"],
        f"validation {metric_title(metric)} {score_of(best):.4f} against {score_of(own):.4f}",
    )


def entry(one: Remedy, project: Project) -> str:
    """Return the lines of params.yaml that a remedy needs, indented for a terminal."""
    if one.name is None:
        content: dict[str, Any] = {"train": dict(one.settings)}
    else:
        content = {
            "methods": [*project.methods, one.name],
            "method": {one.name: dict(one.settings)},
        }
    yaml, text = YAML(), io.StringIO()
    yaml.default_flow_style = None  # lists of names in one line
    yaml.dump(content, text)
    return textwrap.indent(text.getvalue(), "     ")
