"""Our answers against those by the recipe of transformers' question-answering example, seed by seed.

    python -m benchmarks.versus_qa_example --data FOLDER

Both start from the same base model with the same new head, on the same questions and the same windows, with
the settings of configs/squadshifts.yaml, in the precision that its `auto` chooses on this machine. Ours keeps
the epoch that is best on the validation split, as the pipeline does; the example keeps the last. The
difference of the test F1 comes with an interval: the middle 95% of the means of resampled seeds and
questions. Each training takes long, so each is kept when it is done: the same command goes on after the last
one, and the table tells of the seeds that both have finished.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.prepared import ROOT, stage
from tritune.compute import chosen_precision, prepare_torch
from tritune.settings.train import ComputeSettings

NAMES = {"tritune": "this project", "example": "transformers' example"}
RESAMPLES = 10_000


def main() -> None:
    options = arguments()
    params = YAML(typ="safe").load((ROOT / "configs/squadshifts.yaml").read_text("utf-8"))
    if options.epochs:
        params["train"]["epochs"] = options.epochs
    if options.max_length:
        params["tokenize"] = {"max_length": options.max_length, "stride": options.max_length // 3}
    target = Path(options.out).resolve() / f"{options.name}.json"
    with tempfile.TemporaryDirectory(prefix="tritune-qa-") as temporary:
        folder = Path(temporary)
        rows = prepare_work(folder, params, options)
        print(f"{rows['train']} training windows, {rows['test']} test windows", flush=True)
        compute = ComputeSettings(**{**params["compute"], "threads": options.threads})
        conditions = conditions_of(folder, params, compute)
        trainings = kept_trainings(target, conditions)
        for number, seed in enumerate(options.seeds):
            for name in list(NAMES)[:: 1 if number % 2 == 0 else -1]:
                if any((one["name"], one["seed"]) == (name, seed) for one in trainings):
                    continue
                trainings.append(train_once(folder, name, params, conditions, seed=seed))
                told = trainings[-1]
                mean = float(np.mean(told["f1"]))
                print(f"seed {seed}, {NAMES[name]}: {told['seconds']:.0f} s, F1 {mean:.4f}", flush=True)
                keep_trainings(target, summary(trainings, conditions))
    table = markdown(summary(trainings, conditions))
    print(f"\n{table}")
    target.with_suffix(".md").write_text(table, "utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder with train, validation and test")
    parser.add_argument("--model", help="as model.source in params.yaml; default: as in the configuration")
    parser.add_argument("--train-questions", type=int, help="a random choice of so many (default: all)")
    parser.add_argument("--test-questions", type=int, help="likewise, of validation and test each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--epochs", type=int, help="default: as in the configuration")
    parser.add_argument("--max-length", type=int, help="tokens of a window; a third of them is the stride")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    parser.add_argument("--out", default=str(ROOT / "docs" / "benchmarks"), help="folder for the table")
    parser.add_argument("--name", default="versus_qa_example", help="of the files there")
    return parser.parse_args()


def prepare_work(folder: Path, params: dict[str, Any], options: argparse.Namespace) -> dict[str, int]:
    """Run the stages up to the tuning plan in a folder of their own; return the windows of each split."""
    from tasks import fetch, ingest, prepare, tokenize

    data = {**params["data"], "source": str(Path(options.data).resolve())}
    model = options.model or params["model"]["source"]
    if not model.startswith(("package:", "hub:")):
        model = str(Path(model).resolve())
    task = {"task": "question_answering"}
    os.chdir(folder)
    sources = {"data.source": data["source"], "model": {"source": model}}
    stage(fetch, [], ["data/raw", "base"], {**task, **sources})
    stage(ingest, ["data/raw"], ["data/ingested"], {**task, "data": data})
    sample_questions(Path("data/ingested/train.parquet"), options.train_questions)
    for split in ("validation", "test"):
        sample_questions(Path(f"data/ingested/{split}.parquet"), options.test_questions)
    tokenizing = {**task, "tokenize": params["tokenize"]}
    stage(tokenize, ["data/ingested", "base"], ["data/tokens"], tokenizing)
    method = {**task, "method.full": params["method"]["full"]}
    stage(prepare, ["base", "data/tokens"], ["plans/full"], method, item={"method": "full"})
    rows: dict[str, int] = json.loads(Path("data/tokens/tokens.json").read_text("utf-8"))["rows"]
    return rows


def sample_questions(path: Path, count: int | None) -> None:
    """Keep a random choice of a split's questions, the same in every run, in their order."""
    table = pq.read_table(path)
    if count is not None and count < table.num_rows:
        chosen = np.sort(np.random.RandomState(0).permutation(table.num_rows)[:count])
        pq.write_table(table.take(pa.array(chosen)), path)


def conditions_of(folder: Path, params: Mapping[str, Any], compute: ComputeSettings) -> dict[str, Any]:
    """Return what trainings must have in common to be compared."""
    return {
        "questions": {
            split: pq.read_metadata(folder / f"data/ingested/{split}.parquet").num_rows
            for split in ("train", "validation", "test")
        },
        "settings": {key: params[key] for key in ("model", "tokenize", "method", "train")},
        "threads": compute.threads,
        "precision": chosen_precision(compute, prepare_torch(compute)),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }


def train_once(
    folder: Path, name: str, params: dict[str, Any], conditions: Mapping[str, Any], *, seed: int
) -> dict[str, Any]:
    """Train in a process of its own; return its seconds, and F1 and exact match of every test question."""
    work = {
        "train": {**params["train"], "patience": params["train"]["epochs"]},
        "stride": params["tokenize"]["stride"],
        "lr": params["method"]["full"]["lr"],
        "seed": seed,
        "threads": conditions["threads"],
        "precision": conditions["precision"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_qa_training", name, str(folder), json.dumps(work)],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(conditions["threads"]),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the training by {NAMES[name]} failed:\n{done.stderr[-3000:]}")
    return {"name": name, "seed": seed, **json.loads(done.stdout.strip().splitlines()[-1])}


def summary(trainings: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trainings, the seeds that both have finished, and the mean difference of their F1.

    Args:
        trainings: Each with `name`, `seed`, `seconds`, and `f1` and `exact` of every test question.
        conditions: See `conditions_of`.

    Returns:
        `difference` is None as long as no seed is finished by both.
    """
    done = {name: {one["seed"]: one for one in trainings if one["name"] == name} for name in NAMES}
    seeds = [seed for seed in done["tritune"] if seed in done["example"]]
    f1 = {name: np.array([done[name][seed]["f1"] for seed in seeds]) for name in NAMES}
    difference = None
    if seeds:
        low, high = interval(f1["tritune"] - f1["example"])
        difference = {"mean": float((f1["tritune"] - f1["example"]).mean()), "low": low, "high": high}
    return {
        "conditions": conditions,
        "trainings": trainings,
        "seeds_of_both": sorted(seeds),
        "difference": difference,
    }


def interval(differences: np.ndarray, *, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the mean of resampled seeds and questions.

    Args:
        differences: [seeds, questions], ours less theirs.
    """
    draw = np.random.RandomState(0)
    seeds, questions = differences.shape
    means = np.empty(resamples)
    for place in range(resamples):
        picked = differences[draw.randint(0, seeds, seeds)].mean(axis=0)
        means[place] = picked[draw.randint(0, questions, questions)].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def markdown(report: dict[str, Any]) -> str:
    """Return the table for people, of the seeds that both have finished."""
    conditions, difference, seeds = report["conditions"], report["difference"], report["seeds_of_both"]
    questions, settings = conditions["questions"], conditions["settings"]
    train = settings["train"]

    def row(title: str, key: str, form: str, rows: Sequence[int]) -> str:
        cells = [
            format(
                float(
                    np.mean(
                        [
                            np.mean(one[key])
                            for one in report["trainings"]
                            if one["name"] == name and one["seed"] in rows
                        ]
                    )
                ),
                form,
            )
            for name in NAMES
        ]
        return f"| {title} | {' | '.join(cells)} |"

    lines = [
        "# Question answering against transformers' own example",
        "",
        f"SquadShifts new Wikipedia, split by article: {questions['train']} training, "
        f"{questions['validation']} validation and {questions['test']} test questions. "
        f"{settings['model']['source']}, full fine-tuning at {settings['method']['full']['lr']}, "
        f"{train['epochs']} epochs, batches of {train['batch_size']} windows of "
        f"{settings['tokenize']['max_length']} tokens (stride {settings['tokenize']['stride']}), "
        f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'} so far, {conditions['threads']} "
        f"{'thread' if conditions['threads'] == 1 else 'threads'}, {conditions['precision']}; "
        "ours keeps the epoch that is best on validation, the example the last; "
        f"{', '.join(f'{name} {value}' for name, value in sorted(conditions['versions'].items()))}; "
        f"{conditions['machine']['cores']} cores. Made by `python -m benchmarks.versus_qa_example`.",
        "",
    ]
    if difference is None:
        return "\n".join([*lines, "No seed is finished by both yet."]) + "\n"
    lines += [
        f"| test split | {' | '.join(NAMES.values())} |",
        "|---|---:|---:|",
        *(row(f"F1, seed {seed}", "f1", ".4f", [seed]) for seed in seeds),
        row("F1, mean", "f1", ".4f", seeds),
        row("exact match, mean", "exact", ".4f", seeds),
        row("seconds of a training", "seconds", ".0f", seeds),
        "",
        f"Difference of the mean F1, ours less theirs: **{difference['mean']:+.4f}**, 95% interval "
        f"{difference['low']:+.4f} to {difference['high']:+.4f} (seeds and questions resampled "
        f"{RESAMPLES:,} times).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
