"""Time this project's training against transformers' Trainer, in one run, on the same work.

    python -m benchmarks.versus_trainer --cases full partial --repeats 3

For each case (benchmarks/speed_cases.py) all start from the same base model with the same new head, on the
same tokens, with the same frozen part, epochs, batch size, threads, peak learning rates, schedule, weight
decay, clipping and seed, and evaluate on the validation split after each epoch. Everything else of Trainer is
at its defaults, saving and reporting off; once more at its best: batches of rows of similar length, and bf16
where the hardware has it (its fused AdamW is its default); on a GPU compiled by torch, too. The rows are the
demo's, in more languages, or your own by --data. Each training has a process of its own; they take turns, and
who goes first changes. What a case's repeat gave is kept: the same command goes on after the last one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.matrix_rate import matrix_rate
from benchmarks.performance_page import NAMES, markdown, method_summary
from benchmarks.prepared import ROOT, labelled_texts, prepare_case
from benchmarks.speed_cases import CASES, Case, texts_of
from benchmarks.topics import corpus_name
from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.settings.train import ComputeSettings


def main() -> None:
    options = arguments()
    target = Path(options.out).resolve() / f"{options.name}.json"
    conditions = conditions_of(options)
    runs = kept_trainings(target, conditions)
    with tempfile.TemporaryDirectory(prefix="tritune-bench-") as temporary:
        for name in options.cases:
            missing = range(sum(run["case"] == name for run in runs) // len(NAMES), options.repeats)
            if not missing:
                continue
            folder = Path(temporary) / name
            folder.mkdir()
            rows = prepare_work(folder, CASES[name], options)
            print(f"{name}: {rows['train']} training rows, {rows['test']} test rows", flush=True)
            for repeat in missing:
                order = list(NAMES)
                turn = []
                for contender in order[repeat % 3 :] + order[: repeat % 3]:
                    found = train_once(folder, contender, CASES[name], conditions)
                    told = {"case": name, "name": contender, "repeat": repeat, "rows": rows["train"]}
                    turn.append({**told, **found})
                    print(line(turn[-1], repeats=options.repeats), flush=True)
                runs += turn
                keep_trainings(target, report(runs, conditions))
    page = markdown(report(runs, conditions))
    print(f"\n{page}")
    Path(options.page).write_text(page, "utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--rows", type=int, help="training rows to sample (default: as in each case)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--data", help="csv, tsv, jsonl, parquet or folder (default: the corpus of the demo)")
    parser.add_argument("--text", default="text", help="column of --data that holds the text")
    parser.add_argument("--label", default="label", help="column of --data that holds the label")
    parser.add_argument("--model", help="as model.source in params.yaml (default: as in each case)")
    parser.add_argument("--out", default=str(ROOT / "docs" / "benchmarks"), help="folder for the numbers")
    parser.add_argument("--name", default="versus_trainer", help="of the file there")
    parser.add_argument(
        "--page",
        default=str(ROOT / "docs" / "performance.md"),
        help="file for the tables (default: %(default)s)",
    )
    return parser.parse_args()


def conditions_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what all trainings have in common."""
    compute = ComputeSettings(threads=options.threads)
    device = prepare_torch(compute)
    return {
        "cases": {name: asdict(case) for name, case in CASES.items()},
        "work": {key: getattr(options, key) for key in ("rows", "batch_size", "threads", "seed", "model")},
        "data": Path(options.data).name if options.data else corpus_name(),
        "precision": chosen_precision(compute, device),
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else cpu_name(),
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate")},
    }


def report(runs: list[dict[str, Any]], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trainings with medians and, within each repeat, how much Trainer costs of what we cost."""
    return {
        "conditions": conditions,
        "trainings": runs,
        "cases": {
            name: method_summary([run for run in runs if run["case"] == name])
            for name in CASES
            if any(run["case"] == name for run in runs)
        },
    }


def line(run: Mapping[str, Any], *, repeats: int) -> str:
    return (
        f"repeat {run['repeat'] + 1}/{repeats}  {run['case']}, {NAMES[run['name']]}: "
        f"{run['seconds']:.1f} s training, {run['seconds_with_setup']:.1f} s with set-up, "
        f"{run['peak_memory_bytes'] / 2**20:.0f} MiB, test accuracy {run['accuracy']:.3f}"
    )


def prepare_work(folder: Path, case: Case, options: argparse.Namespace) -> dict[str, int]:
    """Make what the case starts from in a folder of its own; return the rows of each split."""
    data = labelled_texts(
        folder, options.data, text=options.text, label=options.label, otherwise=texts_of(case)
    )
    return prepare_case(
        folder, case, data=data, model=options.model, rows=options.rows or case.rows, seed=options.seed
    )


def train_once(folder: Path, name: str, case: Case, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Train in a process of its own and return what it measured.

    `peak_share` is what the training needs of the matrix products that the machine could have done in its
    time; their rate is measured just before.
    """
    work = {key: conditions["work"][key] for key in ("batch_size", "threads", "seed")}
    work.update(epochs=case.epochs, precision=conditions["precision"])
    device = prepare_torch(ComputeSettings(threads=work["threads"]))
    rate = matrix_rate(device, precision=conditions["precision"], threads=work["threads"])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_training", name, str(folder), json.dumps(work)],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(work["threads"]),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the training by {name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    result["peak_share"] = result["operations"] / result["seconds"] / rate
    result["tokens_per_second"] = result.pop("tokens") / result["seconds"]
    return result


if __name__ == "__main__":
    main()
