"""Enter what `tritune run` measured with a ready configuration into docs/results.md.

    tritune use NAME && tritune run && python -m benchmarks.record

It reads what the run left behind and refuses when that is not up to date with `params.yaml`, or when
`params.yaml` is none of `configs/`. The numbers go to docs/results/NAME.json, and docs/results.md is written
anew from all of these files, so that nobody has to copy a number.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ruamel.yaml import YAML

from flows.configuration import PARAMS, configurations
from flows.sources import stale_sources
from tritune.errors import InputError
from tritune.metrics.catalogue import metric_title
from tritune.pipeline.dag import read_stages
from tritune.settings.project import read_project

RESULTS = Path("docs/results")
HEADINGS = (
    "configuration",
    "method",
    "trainable parameters",
    "score",
    "validation",
    "test",
    "test, seed by seed",
    "without training",
    "seconds a training",
    "peak memory, MiB",
)


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        name = present_configuration(Path.cwd())
        refuse_stale(Path.cwd())
        content = record(Path.cwd(), name=name)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    every = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    RESULTS.with_suffix(".md").write_text(page(every), "utf-8")
    print(f"{RESULTS}/{name}.json and {RESULTS}.md are written")
    return 0


def present_configuration(root: Path) -> str:
    """Return the name of the configuration that params.yaml is.

    Raises:
        InputError: It is none of them.
    """
    known = configurations(root)
    content = (root / PARAMS).read_bytes()
    for name, path in known.items():
        if path.read_bytes() == content:
            return name
    raise InputError(
        f"{PARAMS} is none of the ready configurations ({', '.join(known)}), so its numbers could not be "
        "made again by name; save it below configs/, or take one with `tritune use NAME`"
    )


def refuse_stale(root: Path) -> None:
    """Make sure that what lies here is what the present parameters, data and code give.

    Raises:
        InputError: A stage is not up to date.
    """
    forced = stale_sources(read_project(root / PARAMS), root=root)
    stale = [stage.name for stage in read_stages(root, forced=forced) if stage.stale]
    if stale:
        raise InputError(
            f"{len(stale)} stages are not up to date, {stale[0]} first; run `tritune run`, then this again"
        )


def record(root: Path, *, name: str) -> dict[str, Any]:
    """Return the numbers of the finished run in this folder, fit for JSON."""
    params = YAML(typ="safe").load((root / PARAMS).read_text("utf-8"))
    comparison = _read(root / "results/comparison.json")
    tokens = _read(root / "data/tokens/tokens.json")
    chosen = root / f"evaluations/{comparison['chosen']['method']}-{comparison['chosen']['seed']}"
    floor = chosen / "floor.json"
    metric = comparison["metric"]
    return {
        "configuration": name,
        "task": params["task"],
        "model": params["model"]["source"],
        "data": params["data"]["source"],
        "examples": tokens["examples"],
        "epochs": params["train"]["epochs"],
        "batch_size": params["train"]["batch_size"],
        "metric": metric,
        "floor": _read(floor)["scores"]["test"].get(metric) if floor.is_file() else None,
        "methods": [_method(root, method, metric=metric) for method in comparison["methods"]],
        **_read(chosen / "made_with.json"),
    }


def page(records: Sequence[Mapping[str, Any]]) -> str:
    """Return docs/results.md: one table for all, then each one's data, settings, machine and versions."""
    lines = [
        "# Results of the ready configurations",
        "",
        "Each made by `tritune use NAME`, `tritune run` and `python -m benchmarks.record`, which wrote this "
        "page from `docs/results/`. Validation and test are means over the seeds. Trainings may have run "
        "side by side. Without training: the score of the untouched model, where it has one.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
    ]
    for content in records:
        for method in content["methods"]:
            cells = [
                content["configuration"],
                method["name"],
                f"{method['parameters_trainable']:,}",
                metric_title(content["metric"]),
                _score(method["validation"]),
                _score(method["test"]),
                ", ".join(f"{_score(value)} ({seed})" for seed, value in method["seeds"].items()),
                "" if content["floor"] is None else _score(content["floor"]),
                f"{method['seconds']:.0f}",
                f"{method['peak_memory_bytes'] / 2**20:.0f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    for content in records:
        examples, compute = content["examples"], content["compute"]
        versions = ", ".join(" ".join(pair) for pair in sorted(content["versions"].items()))
        machines = sorted({method["machine"] for method in content["methods"]})
        lines += [
            "",
            f"## {content['configuration']}",
            "",
            f"{content['task'].replace('_', ' ').capitalize()}, `{content['model']}` on `{content['data']}`: "
            f"{examples['train']:,} training, {examples['validation']:,} validation and "
            f"{examples['test']:,} test examples; {content['epochs']} epochs, batches of "
            f"{content['batch_size']}; {compute['precision']}, threads of a training: {compute['threads']}; "
            f"{', '.join(machines)}; {versions}.",
        ]
    return "\n".join(lines) + "\n"


def _method(root: Path, method: Mapping[str, Any], *, metric: str) -> dict[str, Any]:
    seeds = [one["seed"] for one in method["seeds"]]
    measured = [_read(root / f"measurements/train@{method['method']}-{seed}.json") for seed in seeds]
    return {
        "name": method["method"],
        "parameters_trainable": method["parameters_trainable"],
        "validation": method["validation"][metric],
        "test": method["test"][metric],
        "seeds": {str(one["seed"]): one["test"][metric] for one in method["seeds"]},
        "seconds": fmean(one["seconds"] for one in measured),
        "peak_memory_bytes": max(one["peak_memory_bytes"] for one in measured),
        "machine": measured[0]["cpu"] if measured[0]["device"] == "cpu" else measured[0]["device"],
    }


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON file's content.

    Raises:
        InputError: It is not there.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing; run `tritune run` on this machine, then this again")
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def _score(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
