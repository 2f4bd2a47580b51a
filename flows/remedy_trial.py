"""`tritune remedy --try`: remedies trained aside, from the same seeds, and compared with the method in pairs.

They train in the work tree that retraining uses, so that the user's files stay as they are. What was trained
is in DVC's cache afterwards: an entry that is taken over into params.yaml is found there by `tritune run`.
"""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from ruamel.yaml import YAML

from flows.display import Display
from flows.run import shown_metric
from flows.summary import read_comparison
from flows.workspace import only_retraining
from tritune.evidence import FEWEST_SEEDS
from tritune.metrics.catalogue import metric_title
from tritune.pipeline.dag import Stage, read_stages
from tritune.pipeline.side_by_side import run_stages
from tritune.pipeline.work_tree import close_work_tree, open_work_tree
from tritune.remedies import Remedy
from tritune.settings.project import read_project

LAST = "compare"


def try_remedies(root: Path, name: str, found: Sequence[Remedy]) -> list[str]:
    """Train each remedy that is a method, compare it with the method that overfits, and return what to print.

    Raises:
        InputError: A retraining is going on, or the project can't be trained.
        StageFailed: A stage failed.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with only_retraining(root):
        close_work_tree(root)
        try:
            tree = open_work_tree(root)
            list_methods(tree / "params.yaml", name, found)
            project = read_project(tree / "params.yaml")
            with Display(Console(file=sys.stdout), metric=shown_metric(project)) as display:
                run_stages(tree, needed(read_stages(tree)), screen=display, force=False)
            return trial_lines(read_comparison(tree), name)
        finally:
            close_work_tree(root)


def list_methods(path: Path, name: str, found: Sequence[Remedy]) -> None:
    """Have a params.yaml list the method and its remedies, and no other method."""
    yaml = YAML()
    content = yaml.load(path.read_text(encoding="utf-8"))
    content["methods"] = [name, *(one.name for one in found)]
    content["method"] |= {one.name: dict(one.settings) for one in found}
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def needed(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that the comparison needs, itself among them, in their order."""
    wanted = {LAST}
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= set(stage.needs)
    return [stage for stage in stages if stage.name in wanted]


def trial_lines(comparison: Mapping[str, Any], name: str) -> list[str]:
    """Return a line for each method: score, verdict, and how it compares with the one that overfits."""
    metric, watched = comparison["metric"], comparison["overfit_watch"]["methods"]
    methods = comparison["methods"]
    width = max(len(one["method"]) for one in methods)
    seeds = len(methods[0]["seeds"])
    over = f"mean over {seeds} seeds" if seeds > 1 else "one seed"
    lines = [f"validation {metric_title(metric)}, {over}:"]
    for one in methods:
        verdicts = [seed["verdict"] for seed in watched[one["method"]].values()]
        ill = verdicts.count("overfitting")
        state = "does not overfit"
        if ill:
            state = "overfits" if len(verdicts) == 1 else f"overfits with {ill} of {len(verdicts)} seeds"
        parts = [f"{one['method']:<{width}}  {one['validation'][metric]:.4f}", state]
        if one["method"] != name:
            parts.append(_against(comparison, one["method"], name, tells=seeds >= FEWEST_SEEDS))
        lines.append("  " + "; ".join(parts))
    if seeds < FEWEST_SEEDS:
        lines.append(
            f"Fewer than {FEWEST_SEEDS} seeds show no difference: list more under `seeds` in params.yaml."
        )
    lines.append(
        "To take one over, copy its entry into params.yaml and `tritune run`, which finds it trained."
    )
    return lines


def _against(comparison: Mapping[str, Any], remedy: str, name: str, *, tells: bool) -> str:
    difference = next(
        one for one in comparison["differences"] if {one["first"], one["second"]} == {remedy, name}
    )
    sign = 1 if difference["first"] == remedy else -1
    value = sign * difference["advantage"]
    words = f"{value:+.4f} over {name}"
    if difference["interval"] is None:
        return words
    low, high = sorted(sign * end for end in difference["interval"])
    words += f" (95% {low:+.4f} to {high:+.4f})"
    if not tells:
        return words  # the interval is one of the examples alone
    better = "better" if value > 0 else "worse"
    return f"{words}: {better if difference['claimed'] else 'not shown to differ'}"


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
