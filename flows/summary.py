"""What a run has to say at its end: one table, the verdict, and the next three commands."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritune.metrics.catalogue import metric_title

MISSING = "–"


def comparison_rows(root: Path) -> list[dict[str, str]]:
    """Return one row per method, ready to show. Empty when there is no comparison."""
    comparison = read_comparison(root)
    metric = str(comparison.get("metric", ""))
    return [
        {
            "method": f"{entry['method']} *" if entry["method"] == _chosen(comparison) else entry["method"],
            "trainable parameters": _number(entry.get("parameters_trainable"), "{:,.0f}"),
            "seconds": _number(_measured(root, entry["method"], "seconds", average=True), "{:,.1f}"),
            "peak memory": _number(
                _measured(root, entry["method"], "peak_memory_bytes"), "{:,.0f} MiB", 2**20
            ),
            f"validation {metric_title(metric)}": _number(entry.get("validation", {}).get(metric), "{:.4f}"),
            f"test {metric_title(metric)}": _number(entry.get("test", {}).get(metric), "{:.4f}"),
        }
        for entry in comparison.get("methods", [])
    ]


def verdict(root: Path) -> str:
    """Return which method was chosen, why, and how sure that is, or nothing when there is no comparison."""
    comparison = read_comparison(root)
    return " ".join(filter(None, (comparison.get(key, "") for key in ("reason", "sureness"))))


def overfitting_lines(root: Path) -> list[str]:
    """Return a short line for each method that overfits; empty in the good case."""
    lines = []
    for name, seeds in read_comparison(root).get("overfit_watch", {}).get("methods", {}).items():
        onsets = sorted(one["onset"] for one in seeds.values() if one["verdict"] == "overfitting")
        if onsets:
            of = f" with {len(onsets)} of {len(seeds)} seeds" if len(seeds) > 1 else ""
            lines.append(f"{name} overfits after epoch {onsets[0]}{of}: tritune remedy {name}")
    return lines


def read_comparison(root: Path) -> Mapping[str, Any]:
    """Return the content of comparison.json; empty when there is none."""
    path = root / "results/comparison.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def show_results(console: Console, root: Path) -> None:
    """Print the table of methods and the verdict."""
    rows = comparison_rows(root)
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        # Headings may be broken between words, values never.
        narrowest = max(len(part) for part in [*name.split(), *(row[name] for row in rows)])
        table.add_column(name, justify="left" if name == "method" else "right", min_width=narrowest)
    for row in rows:
        table.add_row(*map(escape, row.values()))
    console.print(table)
    say(console, f"* {verdict(root)}")
    for line in overfitting_lines(root):
        say(console, f"  {line}")
    report = Path("results/report.html")
    if (root / report).is_file():
        say(console, f"  report: {report}")


def say(console: Console, text: str) -> None:
    """Print a line: a terminal breaks it between words, a file or a pipe gets it whole."""
    console.print(text, highlight=False, markup=False, soft_wrap=not console.is_terminal)


ASKING = {
    "text_classification": ('echo "some text" | {tritune} predict', "label new texts with the model"),
    "named_entity_recognition": ('echo "some text" | {tritune} predict', "find entities in new texts"),
    "question_answering": ("{tritune} predict --input questions.csv", "answer new questions"),
    "dialogue": ("{tritune} chat", "talk with the model"),
}
"""Task -> the command that asks the model, and what it does."""


def show_next_commands(console: Console, *, task: str) -> None:
    """Print the three commands that a user would type next, as they work from this shell."""
    tritune = command("tritune")
    asking, answer = ASKING[task]
    show_commands(
        console,
        {
            asking.format(tritune=tritune): answer,
            f"{tritune} ui": "see this run and earlier ones in the browser",
            f"{tritune} registry": "list the registered versions with their scores",
        },
    )


def show_commands(console: Console, commands: Mapping[str, str]) -> None:
    """Print what a user would type next, each with what it does."""
    console.print("\nnext:", highlight=False)
    indent = max(len(typed) for typed in commands)
    fits = 4 + indent + max(len(does) for does in commands.values()) <= console.width
    for typed, does in commands.items():
        if fits or not console.is_terminal:
            say(console, f"  {typed:<{indent}}  {does}")
        else:
            # A command is copied: it stays whole.
            console.print(f"  {typed}", highlight=False, markup=False, soft_wrap=True)
            say(console, f"      {does}")


def command(name: str) -> str:
    """Return how to call a program of this environment from the user's shell, activated or not."""
    own = Path(sys.executable).parent / name
    if shutil.which(name) == str(own) or not own.exists():
        return name
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _chosen(comparison: Mapping[str, Any]) -> str:
    return str(comparison.get("chosen", {}).get("method", ""))


def _measured(root: Path, method: str, key: str, *, average: bool = False) -> float | None:
    """Return the mean or the highest value over a method's trainings; None: not measured here."""
    values = []
    for path in sorted((root / "measurements").glob(f"train@{method}-*.json")):
        value = json.loads(path.read_text(encoding="utf-8")).get(key)
        if value is not None:
            values.append(float(value))
    if not values:
        return None
    return sum(values) / len(values) if average else max(values)


def _number(value: float | None, shape: str, unit: float = 1) -> str:
    return MISSING if value is None else shape.format(value / unit)
