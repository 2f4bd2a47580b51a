"""What `tritune estimate` foretells, beside what the training then takes.

    python -m benchmarks.estimates --repeats 3

The cases are those of `benchmarks.versus_trainer`. Each repeat is a fresh clone: the data are tokenized, the
estimate is made, then `dvc repro` trains, and what the stage measured of itself is read. What a repeat of a
case gave is kept: the same command goes on after the last one.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.fresh_clone import Clone, make_clone
from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.prepared import ROOT, labelled_texts
from benchmarks.speed_cases import CASES, LONGEST, Case, texts_of
from benchmarks.topics import corpus_name
from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.settings.train import ComputeSettings

METHOD, SEED, BATCH_SIZE = "method", 13, 32
SHARE_THAT_TRAINS = 0.65
"""Of all texts; the rest are validation and test rows."""

FIGURES = {
    "parameters": ("trained parameters", 1, ",.0f"),
    "seconds": ("seconds of a training", 1, ".1f"),
    "memory": ("peak memory, MiB", 2**20, ",.0f"),
}
"""By key: title, unit, format."""

RESULT = ROOT / "docs/benchmarks/estimates"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="of each (default: %(default)s)")
    options = parser.parse_args()
    compute = ComputeSettings(threads=1)
    conditions = {
        "cases": {name: asdict(case) for name, case in CASES.items()},
        "data": corpus_name(),
        "precision": chosen_precision(compute, prepare_torch(compute)),
        "machine": cpu_name(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    target = RESULT.with_suffix(".json")
    runs = kept_trainings(target, conditions)
    for repeat in range(options.repeats):
        for name in options.cases:
            if sum(run["case"] == name for run in runs) > repeat:
                continue
            with tempfile.TemporaryDirectory(prefix="tritune-bench-") as folder:
                runs.append({"case": name, **foretold_and_measured(Path(folder), CASES[name])})
            print(runs[-1], flush=True)
            keep_trainings(target, {"conditions": conditions, "trainings": runs})
    text = page(runs, conditions)
    RESULT.with_suffix(".md").write_text(text, "utf-8")
    print(text)


def foretold_and_measured(folder: Path, case: Case) -> dict[str, dict[str, float]]:
    """Return `foretold` and `measured`, each with the figures of `FIGURES`."""
    clone = cloned(folder, case)
    ran(clone, "dvc", "repro", "tokenize")
    foretold = json.loads(ran(clone, sys.executable, "-c", ESTIMATE).splitlines()[-1])
    ran(clone, "dvc", "repro", f"train@{METHOD}-{SEED}")
    path = clone.folder / f"measurements/train@{METHOD}-{SEED}.json"
    found = json.loads(path.read_text("utf-8"))
    return {
        "foretold": foretold,
        "measured": {
            "parameters": found["parameters_trainable"],
            "seconds": found["seconds"],
            "memory": found["peak_memory_bytes"],
        },
    }


ESTIMATE = f"""
import json, pathlib
from flows.estimate import measured_apart
from tritune.settings.project import read_project
cost = measured_apart("{METHOD}", read_project(pathlib.Path("params.yaml")))
seconds = cost.prefix_seconds + cost.seconds
found = {{"parameters": cost.parameters_trainable, "seconds": seconds, "memory": cost.peak_bytes}}
print(json.dumps(found))
"""
"""What the command does before it rounds to show it."""


def cloned(folder: Path, case: Case) -> Clone:
    """Return a clone that has the case's one method and its texts."""
    clone = make_clone(folder)
    texts = list(texts_of(case))
    count = min(len(texts), round(case.rows / SHARE_THAT_TRAINS))
    chosen = texts[:: max(1, len(texts) // count)][:count]
    data = labelled_texts(clone.folder, None, text="text", label="label", otherwise=chosen)
    model = case.model if case.model.startswith(("package:", "hub:")) else str((ROOT / case.model).resolve())

    def change(params: dict[str, Any]) -> None:
        params["data"] |= {**data, "min_rows_per_class": 5}
        params["model"]["source"] = model
        params["tokenize"]["max_length"] = LONGEST[case.texts]
        params["methods"], params["seeds"] = [METHOD], [SEED]
        params["method"] = {METHOD: dict(case.method)}
        params["train"] |= {"epochs": case.epochs, "patience": case.epochs, "batch_size": BATCH_SIZE}
        params["compute"]["threads"] = 1

    clone.set_params(change)
    return clone


def ran(clone: Clone, *command: str) -> str:
    """Return what a command printed in the clone."""
    clone.environment["OMP_NUM_THREADS"] = "1"
    done = clone.run(*command, timeout=3600)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:{os.linesep}{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def page(runs: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]) -> str:
    """Return the table for people: medians over the repeats, and how far each foretold figure was off.

    Args:
        runs: of each repeat of a case what `foretold_and_measured` gives, with its `case`.
    """
    versions = ", ".join(f"{name} {number}" for name, number in sorted(conditions["versions"].items()))
    lines = [
        "# What `tritune estimate` foretells, and what a training then takes",
        "",
        f"{conditions['data']}; batches of {BATCH_SIZE}, {conditions['precision']}, 1 thread; "
        f"{conditions['machine']}; {versions}. Each repeat is a fresh clone: an estimate, then the training "
        "by `dvc repro`. Running the frozen layers once is counted on both sides. Medians; in brackets the "
        "least and the most. Made by `python -m benchmarks.estimates`.",
        "",
        "| case | repeats | figure | foretold | measured | foretold less measured, % |",
        "|---|---:|---|---:|---:|---|",
    ]
    for name in dict.fromkeys(run["case"] for run in runs):
        of_case = [run for run in runs if run["case"] == name]
        case = conditions["cases"][name]
        start = f"{case['title']}, {case['texts']} texts, {case['epochs']} epochs | {len(of_case)}"
        for key, (title, unit, form) in FIGURES.items():
            foretold, measured = (
                [run[side][key] / unit for run in of_case] for side in ("foretold", "measured")
            )
            off = [100 * (a / b - 1) for a, b in zip(foretold, measured, strict=True)]
            lines.append(
                f"| {start} | {title} | {statistics.median(foretold):{form}} "
                f"| {statistics.median(measured):{form}} "
                f"| {statistics.median(off):+.0f} ({min(off):+.0f} to {max(off):+.0f}) |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
