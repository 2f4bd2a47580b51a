"""`tritune registry`, `promote`, `rollback`: which versions there are, and which of them is the champion."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.summary import MISSING
from tritune.errors import InputError
from tritune.metrics.catalogue import metric_title
from tritune.pipeline import registry
from tritune.pipeline.decisions import read_decisions
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.registered_version import CHAMPION, RegisteredVersion

NIGHTS = 5
"""How many retrainings' decisions are shown; `git log refs/tritune/decisions` has all."""

NARROW = 80
"""Columns of a terminal below which each version gets lines of its own instead of a row."""


def show() -> None:
    """Print every version, newest first, with its stages and scores, and what the last retrainings decided.

    Raises:
        InputError: dvc.yaml names no model, or this is not a git repository.
    """
    root = Path.cwd()
    console = Console(file=sys.stdout)
    found = registry.versions(root)
    if not found:
        console.print("no version is registered yet; `tritune run` registers the first", highlight=False)
        return
    name = registry.artifact_name(root)
    rows = [version_row(version) for version in found]
    if console.width < NARROW:
        _print_blocks(console, rows)
    else:
        _print_table(console, rows)
    if decisions := read_decisions(root, most=NIGHTS):
        _say("\nlast retrainings:")
    for decision in decisions:
        date = f"{decision.date.astimezone():%Y-%m-%d %H:%M}"
        _say(f"{date}  {decision.outcome}: {decision.reason}")
    first = found[0]
    tag = f"{name}@{first.version}"
    console.print(
        f"\nwhat made {first.version}: git show {tag}:params.yaml\n"
        f"share it with: git push origin {tag}, and dvc push",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def promote(version: str, *, force: bool) -> None:
    """Make a version the champion and say so. The gate is the nights': see `flows.gate`.

    Raises:
        InputError: No such version, the gate refuses, or another became champion meanwhile.
    """
    root = Path.cwd()
    found = {one.version: one for one in registry.versions(root)}
    champion = next((one for one in found.values() if CHAMPION in one.stages), None)
    _, event = registry.find(root, version)
    candidate = found.get(event.version or "")
    if champion is None or candidate is None or candidate == champion:
        _say(registry.promote(root, version).message)
        return
    reason = "by hand, without the gate" if force else _let_in(root, champion, candidate)
    promotion = registry.promote(root, candidate.version, because=reason, instead_of=champion.version)
    if not promotion.changed:
        raise InputError(promotion.message)
    _say(promotion.message)


def _let_in(root: Path, champion: RegisteredVersion, candidate: RegisteredVersion) -> str:
    """Return what the gate says in favour of a candidate.

    Raises:
        InputError: It refuses, or can't compare them.
    """
    from flows.gate import compare_versions

    check_dvc_folder(root)
    (root / ".dvc/tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / ".dvc/tmp") as work:
        verdict = compare_versions(root, champion=champion, challenger=candidate, work=Path(work))
    if not verdict.promote:
        raise InputError(
            f"{verdict.reason}; train a better one, or promote it all the same with "
            f"`tritune promote {candidate.version} --force`"
        )
    return verdict.reason


def rollback() -> None:
    """Make the version champion that was it before, and say so.

    Raises:
        InputError: No version was champion before.
    """
    _say(registry.rollback(Path.cwd()).message)


def version_row(version: RegisteredVersion) -> dict[str, str]:
    """Return what is shown of a version, by the heading of its column."""
    metric = version.metric
    heading = f" {metric_title(metric)}" if metric else ""
    method = version.method if version.seed is None else f"{version.method}, seed {version.seed}"
    return {
        "version": version.version,
        "stage": ", ".join(version.stages),
        "date": f"{version.date.astimezone():%Y-%m-%d %H:%M}",
        "method": method or MISSING,
        f"validation{heading}": _score(version.validation.get(metric)),
        f"test{heading}": _score(version.test.get(metric)),
        "task": version.task or MISSING,
    }


def _print_table(console: Console, rows: Sequence[dict[str, str]]) -> None:
    # Versions may go by different metrics: each metric has columns of its own.
    headings = list(dict.fromkeys(heading for row in rows for heading in row if heading != "task"))
    if len({row["task"] for row in rows}) > 1:
        headings.append("task")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        number = heading.startswith(("validation", "test"))
        table.add_column(
            heading,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=heading in {"date", "method"},
        )
    for row in rows:
        style = "bold green" if row["stage"].startswith(CHAMPION) else None
        table.add_row(*(escape(row.get(heading, MISSING)) for heading in headings), style=style)
    console.print(table)


def _print_blocks(console: Console, rows: Sequence[dict[str, str]]) -> None:
    for i, row in enumerate(rows):
        title = f"{row['version']} {row['stage']}".strip()
        style = "bold green" if row["stage"].startswith(CHAMPION) else "bold"
        console.print(escape(title), style=style, highlight=False)
        for heading, value in row.items():
            if heading not in {"version", "stage"}:
                console.print(f"  {heading}: {value}", highlight=False, markup=False, soft_wrap=True)
        if i < len(rows) - 1:
            console.print()


def _say(message: str) -> None:
    Console(file=sys.stdout).print(message, highlight=False, markup=False, soft_wrap=True)


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"
