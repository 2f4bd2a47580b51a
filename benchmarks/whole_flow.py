"""Time a whole comparison, three methods by three seeds, against a script around transformers' Trainer.

    python -m benchmarks.whole_flow --repeats 3

Ours is `tritune run` in a fresh clone without any cache: everything from the raw file to the report, with its
baselines, explanations and the registered model. Theirs is one process that reads the same splits, tokenizes,
trains the same methods from the same seeds and peak rates, and scores validation and test rows: no report, no
registry, nothing kept. Trainer's switches are those of `make bench`, at its defaults and at its best. All get
the same cores: we train side by side, one thread each, and Trainer gives all threads to one training after
the other. They take turns; what a repeat gave is kept, and the same command goes on after the last one.
Each size that `--rows` asks for has a table of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.fresh_clone import Clone, make_clone
from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.performance_page import NAMES
from benchmarks.prepared import ROOT, labelled_texts
from benchmarks.topics import rows_of_all_languages
from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.settings.train import ComputeSettings

METHODS, SEEDS = ("full", "partial", "adaptive"), (13, 14, 15)
EPOCHS, BATCH_SIZE = 3, 32
ROWS = 1500
"""Texts, before the splits are cut from them."""

RESULT = ROOT / "docs/benchmarks/whole_flow"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="texts in all (default: %(default)s)")
    options = parser.parse_args()
    compute = ComputeSettings(threads=len(os.sched_getaffinity(0)))
    device = prepare_torch(compute)
    conditions = {
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else cpu_name(),
        "precision": chosen_precision(compute, device),
        "cores": compute.threads,
        "versions": {name: version(name) for name in ("torch", "transformers", "prefect", "dvc")},
    }
    target = RESULT.with_suffix(".json")
    runs = kept_trainings(target, conditions)
    done = sum(run["rows"] == options.rows for run in runs) // len(NAMES)
    for repeat in range(done, options.repeats):
        with tempfile.TemporaryDirectory(prefix="tritune-bench-") as folder:
            turn = one_repeat(Path(folder), conditions, rows=options.rows, repeat=repeat)
        runs += [{"rows": options.rows, **run} for run in turn]
        keep_trainings(target, {"conditions": conditions, "trainings": runs})
    text = page(runs, conditions)
    RESULT.with_suffix(".md").write_text(text, "utf-8")
    print(text)


def one_repeat(
    folder: Path, conditions: Mapping[str, Any], *, rows: int, repeat: int
) -> list[dict[str, Any]]:
    """Return what each took; ours comes first, as the script around Trainer reads its splits and plans."""
    clone = cloned(folder, rows=rows)
    started = time.monotonic()
    done = clone.tritune("run", timeout=7200)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise SystemExit(f"tritune run failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = [{"name": "tritune", "repeat": repeat, "seconds": seconds, "accuracy": our_scores(clone.folder)}]
    theirs = ("trainer", "trainer_at_best")
    for name in theirs[:: 1 if repeat % 2 == 0 else -1]:
        found.append({"name": name, "repeat": repeat, **trainers(name, clone.folder, conditions)})
    for one in found:
        print(f"repeat {repeat + 1}, {NAMES[one['name']]}: {one['seconds']:.0f} s", flush=True)
    return found


def cloned(folder: Path, *, rows: int) -> Clone:
    """Return a clone that compares the methods on texts of the demo's corpus in many languages."""
    clone = make_clone(folder)
    texts = list(rows_of_all_languages())
    chosen = texts[:: max(1, len(texts) // rows)][:rows]
    data = labelled_texts(clone.folder, None, text="text", label="label", otherwise=chosen)

    def change(params: dict[str, Any]) -> None:
        params["data"] |= {**data, "min_rows_per_class": 20}
        params["methods"], params["seeds"] = list(METHODS), list(SEEDS)
        params["train"] |= {"epochs": EPOCHS, "patience": EPOCHS, "batch_size": BATCH_SIZE}

    clone.set_params(change)
    return clone


def our_scores(folder: Path) -> dict[str, float]:
    """Return the mean test accuracy of each method."""
    return {
        method: statistics.fmean(
            json.loads((folder / f"metrics/{method}-{seed}.json").read_text("utf-8"))["test"]["accuracy"]
            for seed in SEEDS
        )
        for method in METHODS
    }


def trainers(name: str, folder: Path, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds and scores of the script around Trainer, in a process of its own."""
    work = {
        "methods": METHODS,
        "seeds": SEEDS,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "max_length": 64,
        "threads": conditions["cores"],
        "precision": conditions["precision"],
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trainer_script", name, str(folder), json.dumps(work)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(work["threads"]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the script around Trainer failed:\n{done.stderr[-3000:]}")
    seconds = time.monotonic() - started
    return {"seconds": seconds, "accuracy": json.loads(done.stdout.strip().splitlines()[-1])}


def page(runs: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]) -> str:
    """Return the tables as Markdown, one for each number of rows, the smallest first."""
    versions = ", ".join(f"{name} {value}" for name, value in sorted(conditions["versions"].items()))
    lines = [
        "# A whole comparison against a script around transformers' Trainer",
        "",
        f"{len(METHODS)} methods by {len(SEEDS)} seeds on short texts, {EPOCHS} "
        f"epochs, batches of {BATCH_SIZE}; {conditions['machine']}; {versions}. Ours is `tritune run` in a "
        "fresh clone, from the raw file to the registered model, with report, baselines and explanations. "
        "Theirs tokenizes, trains and scores, and keeps nothing. The same cores for all. Medians of "
        "the repeats, and of the ratios within each, with the least and the greatest. "
        "Made by `python -m benchmarks.whole_flow`.",
    ]
    for rows in sorted({run["rows"] for run in runs}):
        lines += ["", *table([run for run in runs if run["rows"] == rows], rows=rows)]
    return "\n".join(lines) + "\n"


def table(runs: Sequence[Mapping[str, Any]], *, rows: int) -> list[str]:
    """Return the lines about one number of rows."""
    of = {
        name: sorted((run for run in runs if run["name"] == name), key=lambda run: run["repeat"])
        for name in NAMES
    }
    repeats = len(of["tritune"])
    lines = [
        f"## {rows:,} texts, {repeats} {'repeat' if repeats == 1 else 'repeats'}",
        "",
        f"| by | seconds | times ours (min - max) | {' | '.join(f'{name}: accuracy' for name in METHODS)} |",
        f"|---|---:|---|{'---:|' * len(METHODS)}",
    ]
    for name, own in of.items():
        ratios = [b["seconds"] / a["seconds"] for a, b in zip(of["tritune"], own, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
        scores = [f"{statistics.median(run['accuracy'][m] for run in own):.3f}" for m in METHODS]
        seconds = statistics.median(run["seconds"] for run in own)
        cells = [NAMES[name], f"{seconds:.0f}", "" if name == "tritune" else spread, *scores]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
