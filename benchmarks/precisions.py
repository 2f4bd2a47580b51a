"""Whether models trained in bf16 score as those trained in fp32 do: the same seeds in both, by ours alone.

    python -m benchmarks.precisions --seeds 5

The cases are those of `benchmarks.versus_trainer`, on fewer rows; their test split is as large as there, and
run in fp32 for both. What a seed gave is kept: the same command goes on after the last one.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.prepared import ROOT, prepare_case
from benchmarks.speed_cases import CASES
from benchmarks.topics import corpus_name
from benchmarks.versus_trainer import train_once
from tritune.compute import cpu_name
from tritune.statistics.estimate import estimate

PRECISIONS = ("fp32", "bf16")
METRICS = {"accuracy": "test accuracy", "macro_f1": "test macro F1"}
FIRST_SEED = 13
RESULT = ROOT / "docs/benchmarks/precisions"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["full", "partial"])
    parser.add_argument("--seeds", type=int, default=5, help="of each (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=300, help="training rows (default: %(default)s)")
    options = parser.parse_args()
    conditions = {
        "cases": {name: asdict(CASES[name]) for name in options.cases},
        "rows": options.rows,
        "data": corpus_name(),
        "machine": cpu_name(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    target = RESULT.with_suffix(".json")
    runs = kept_trainings(target, conditions)
    with tempfile.TemporaryDirectory(prefix="tritune-bench-") as temporary:
        for name in options.cases:
            done = sum(run["case"] == name for run in runs) // len(PRECISIONS)
            missing = range(FIRST_SEED + done, FIRST_SEED + options.seeds)
            if not missing:
                continue
            case, folder = CASES[name], Path(temporary) / name
            folder.mkdir()
            prepare_case(folder, case, rows=options.rows, seed=FIRST_SEED)
            for seed in missing:
                turn = []
                for precision in PRECISIONS:
                    work = {"batch_size": 32, "threads": 1, "seed": seed}
                    found = train_once(folder, "tritune", case, {"work": work, "precision": precision})
                    told = {"case": name, "seed": seed, "precision": precision}
                    turn.append(told | {metric: found[metric] for metric in METRICS})
                    print(turn[-1], flush=True)
                runs += turn
                keep_trainings(target, {"conditions": conditions, "trainings": runs})
    text = page(runs, conditions)
    RESULT.with_suffix(".md").write_text(text, "utf-8")
    print(text)


def page(runs: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]) -> str:
    """Return the table for people: both means of each case and metric, and how far apart they are.

    Args:
        runs: of each seed of a case both precisions.
    """
    versions = ", ".join(f"{name} {number}" for name, number in sorted(conditions["versions"].items()))
    lines = [
        "# Scores of models trained in bf16 and in fp32",
        "",
        f"{conditions['data']}; {conditions['rows']:,} training rows, batches of 32; "
        f"{conditions['machine']}; {versions}. The same seeds in both, by this project; the interval is that "
        "of the mean of their differences (95 %, Student's t). Made by `python -m benchmarks.precisions`.",
        "",
        "| case | metric | seeds | fp32 | bf16 | bf16 less fp32 | interval |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for case in dict.fromkeys(run["case"] for run in runs):
        for metric, title in METRICS.items():
            full, short = (
                np.array([r[metric] for r in runs if r["case"] == case and r["precision"] == each])
                for each in PRECISIONS
            )
            found = estimate(short - full, None, examples=None)
            ends = found.interval()
            told = "unknown" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"
            lines.append(
                f"| {conditions['cases'][case]['title']} | {title} | {len(full)} | {full.mean():.4f} "
                f"| {short.mean():.4f} | {found.value:+.4f} | {told} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
