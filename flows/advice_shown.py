"""The end of `tritune advise` on the screen: what the curves say, in a few sentences and a table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from flows.advice_asked import MOST_SEEDS, Asked
from flows.estimate import duration
from flows.summary import MISSING, command, say, show_commands
from tritune.metrics.catalogue import metric_title


def show_advice(console: Console, root: Path, *, asked: Asked, seconds: float) -> None:
    """Print the advice, how far the budget went, and the next commands.

    Args:
        seconds: That all of it took.
    """
    advice = read_advice(root)
    console.print(table(advice))
    for sentence in advice["verdict"]:
        say(console, f"* {sentence}")
    for caution in advice["cautions"]:
        say(console, f"  warning: {caution}")
    reached = ", ".join(f"{len(one['seeds'])} at {one['examples']:,}" for one in advice["sizes"])
    say(console, f"  {duration(seconds)}; seeds: {reached}")
    say(console, "  report: advise/report.html")
    tritune = command("tritune")
    complete = all(
        any(one["size"] == size and len(one["seeds"]) >= asked.seeds for one in advice["sizes"])
        for size in asked.sizes
    )
    sizes = ",".join(asked.sizes)
    more = min(asked.seeds + 2, MOST_SEEDS) if complete else asked.seeds
    show_commands(
        console,
        {
            f"{tritune} advise --sizes {sizes} --seeds {more}": "go on with more seeds",
            f"{tritune} run": "train on all examples, compare and register the model to ship",
            "git add advise": "keep the advice in git, and what it was computed from",
        },
    )


def read_advice(root: Path) -> dict[str, Any]:
    """Return the content of advice.json."""
    content: dict[str, Any] = json.loads((root / "advise/advice.json").read_text(encoding="utf-8"))
    return content


def table(advice: Mapping[str, Any]) -> Table:
    """Return one row per size: the mean validation score of each method with its interval."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("examples", justify="right")
    shown.add_column("seeds", justify="right")
    for method in advice["methods"]:
        shown.add_column(f"{method}, {metric_title(advice['metric'])}", justify="right")
    shown.add_column("not shown to be worse, cheapest" if advice["rule"] != "best" else "best")
    for size in advice["sizes"]:
        cells = [score_of(one["validation"]) for one in size["methods"]]
        shown.add_row(f"{size['examples']:,}", str(len(size["seeds"])), *cells, size["chosen"])
    return shown


def score_of(found: Mapping[str, Any]) -> str:
    """Return a mean with its 95 % interval."""
    if found["interval"] is None:
        return f"{found['mean']:.4f} {MISSING}"
    low, high = found["interval"]
    return f"{found['mean']:.4f} ({low:.3f} to {high:.3f})"
