"""`tritune lineage`: what a version was made from, and what was predicted with it, for people or as JSON."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from tritune.metrics.catalogue import metric_title
from tritune.pipeline.lineage import Lineage, lineage

SHOWN_PREDICTIONS = 10
SHOWN_DIGITS = 10
"""Of a hash; --json has all of them."""


def show(reference: str | None, *, as_json: bool) -> None:
    """Print where a version comes from; the champion without a reference.

    Raises:
        InputError: No such version, or none at all.
    """
    found = lineage(Path.cwd(), reference)
    if as_json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False, default=str))
        return
    console = Console(file=sys.stdout)
    for line in lines(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(found: Lineage) -> Iterator[str]:
    """Yield what to print, line by line."""
    version = found.version
    stages = f" ({', '.join(version.stages)})" if version.stages else ""
    yield f"{found.tag}{stages}, registered {version.date.astimezone():%Y-%m-%d %H:%M}"
    chosen = f"{version.method}, seed {version.seed}"
    others = f"; compared with {', '.join(found.compared_with)}" if found.compared_with else ""
    scores = [
        f"{split} {values[version.metric]:.4f}"
        for split, values in (("validation", version.validation), ("test", version.test))
        if version.metric in values
    ]
    rows = found.data["rows"]
    counted = ", ".join(f"{split} {count}" for split, count in rows.items()) if rows else "not in DVC's cache"
    yield from _rows(
        {
            "commit": version.commit,
            "model": version.content,
            "method": f"{chosen}{others}",
            metric_title(version.metric): ", ".join(scores),
            "data": f"{found.data['source']}  {_short(found.data['md5'])}",
            "rows": counted,
            "base model": f"{found.base['source']}  {_short(found.base['md5'])}",
            "libraries": ", ".join(f"{name} {value}" for name, value in found.libraries.items()),
            "machine": "; ".join(f"{name} {value}" for name, value in version.made_on.items()),
        }
    )
    yield from _predicted(found)
    yield "stage by stage"
    for step in found.steps:
        yield f"  {step.stage}"
        yield from _hashes("reads", step.read)
        yield from _hashes("writes", step.wrote)
        yield f"    code    {len(step.code)} files"
    yield "parameters"
    parameters = {key: value for step in found.steps for key, value in step.parameters.items()}
    for key, value in parameters.items():
        yield f"  {key}: {json.dumps(value, ensure_ascii=False)}"


def _predicted(found: Lineage) -> Iterator[str]:
    if found.predictions:
        yield "predicted with it"
    for one in found.predictions[:SHOWN_PREDICTIONS]:
        given = f"{one.input}  {_short(one.input_sha256)}" if one.input else "stdin"
        yield (
            f"  {one.date.astimezone():%Y-%m-%d %H:%M}  {one.output}  {_short(one.output_sha256)}, "
            f"{one.rows} row{'s' * (one.rows != 1)} of {given}"
        )
    if (more := len(found.predictions) - SHOWN_PREDICTIONS) > 0:
        yield f"  and {more} more: git log refs/tritune/predictions"


def _rows(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"  {name:<12}{value or 'not on record'}"


def _hashes(title: str, hashes: Mapping[str, str]) -> Iterator[str]:
    for path, md5 in hashes.items():
        yield f"    {title:<8}{path}  {_short(md5)}"


def _short(md5: str) -> str:
    return md5[:SHOWN_DIGITS]
