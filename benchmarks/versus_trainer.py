"""Time this project's training against transformers' Trainer, in one run, on the same work.

    python -m benchmarks.versus_trainer --rows 2000 --repeats 3 --epochs 3

Both start from the same base model with the same new head, on the same tokens, with the same epochs, batch
size, threads, peak learning rate, schedule, weight decay, clipping and seed, and both evaluate on the
validation split after each epoch. Everything else of Trainer is at its defaults, saving and reporting off.
The rows are the demo's, in more languages (benchmarks/topics.py), or your own by --data.
Each training has a process of its own; the two take turns, and who goes first alternates.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from benchmarks.topics import LANGUAGES, rows_of_all_languages
from tritune.address import package_path
from tritune.pipeline.context import StageContext

ROOT = Path(__file__).parents[1]
CORPUS = "package:chatterbot_corpus/data"
CORPUS_SETTINGS = {"min_rows_per_class": 60, "rare_classes": "drop"}
"""As in the demo: a topic with a handful of utterances is no class to learn."""
NAMES = {"tritune": "this project", "trainer": "transformers' Trainer"}


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="tritune-bench-") as folder:
        counts = prepare_work(Path(folder), options)
        print(
            f"{counts['train']} training rows, {counts['test']} test rows, {options.epochs} epochs",
            flush=True,
        )
        if counts["train"] < options.rows:
            print("(all there are; for a larger sample name a larger file by --data)", flush=True)
        runs: list[dict[str, Any]] = []
        for repeat in range(options.repeats):
            order = ["tritune", "trainer"] if repeat % 2 == 0 else ["trainer", "tritune"]
            for name in order:
                result = {"name": name, "repeat": repeat, **train_once(Path(folder), name, options)}
                runs.append(result)
                print(
                    f"repeat {repeat + 1}/{options.repeats}  {NAMES[name]}: "
                    f"{result['seconds']:.1f} s training, "
                    f"{result['seconds_with_setup']:.1f} s with set-up, "
                    f"{result['peak_memory_bytes'] / 2**20:.0f} MiB, test accuracy {result['accuracy']:.3f}",
                    flush=True,
                )
    report = summary(runs, options, counts)
    table = markdown(report)
    print(f"\n{table}")
    target = Path(options.out)
    target.mkdir(parents=True, exist_ok=True)
    (target / "versus_trainer.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", "utf-8")
    (target / "versus_trainer.md").write_text(table, "utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, default=2000, help="training rows to sample (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="pairs of trainings (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=3, help="of each training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    parser.add_argument("--lr", type=float, default=5e-4, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--data", help="csv, tsv, jsonl, parquet or folder (default: the corpus of the demo)")
    parser.add_argument("--text", default="text", help="column of --data that holds the text")
    parser.add_argument("--label", default="label", help="column of --data that holds the label")
    parser.add_argument("--model", help="as model.source in params.yaml, which is the default")
    parser.add_argument("--out", default=str(ROOT / "docs" / "benchmarks"), help="folder for the table")
    return parser.parse_args()


def prepare_work(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    """Run the stages up to the tuning plan in a folder of their own; return the rows of each split."""
    from tasks import fetch, ingest, prepare, tokenize

    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text("utf-8"))
    if options.data:
        source = str(Path(options.data).resolve())
        data = {"source": source, "text": options.text, "label": options.label, "rare_classes": "drop"}
    else:
        corpus = folder / "topics.jsonl"
        rows = rows_of_all_languages(package_path(CORPUS, key="benchmark"))
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        data = {**CORPUS_SETTINGS, "source": str(corpus)}
    model = options.model or params["model"]["source"]
    if not model.startswith(("package:", "hub:")):
        model = str((ROOT / model).resolve())
    task = {"task": params["task"]}
    os.chdir(folder)
    sources = {"data.source": data["source"], "model": {"source": model}}
    stage(fetch, [], ["data/raw", "base"], {**task, **sources})
    stage(ingest, ["data/raw"], ["data/ingested"], {**task, "data": data})
    sample_rows(Path("data/ingested/train.parquet"), options.rows, seed=options.seed)
    stage(
        tokenize,
        ["data/ingested", "base"],
        ["data/tokens"],
        {**task, "tokenize": params["tokenize"]},
    )
    stage(
        prepare,
        ["base", "data/tokens"],
        ["plans/full"],
        {**task, "method.full": {"kind": "full", "lr": options.lr}},
        item={"method": "full"},
    )
    counts: dict[str, int] = json.loads(Path("data/tokens/tokens.json").read_text("utf-8"))["rows"]
    return counts


def stage(
    module: Any,
    inputs: list[str],
    outputs: list[str],
    params: dict[str, Any],
    item: dict[str, str] | None = None,
) -> None:
    """Run one stage's body and put its outputs in place."""
    name = module.__name__.rpartition(".")[2]
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        ctx = StageContext(
            stage=name,
            item=item or {},
            params=params,
            inputs={path: Path(path) for path in inputs},
            outputs=tuple(outputs),
            scratch=Path(scratch),
        )
        module.run(ctx)
        for path in outputs:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / "outputs" / path).rename(path)


def sample_rows(path: Path, rows: int, *, seed: int) -> None:
    """Keep a random choice of the training rows, all classes with at least one row where it can be."""
    import numpy as np

    table = pq.read_table(path)
    if rows < table.num_rows:
        order = np.random.RandomState(seed).permutation(table.num_rows)
        labels = np.array(table.column("label").to_pylist())[order]
        first_of_class = np.unique(labels, return_index=True)[1]
        rest = np.setdiff1d(np.arange(len(order)), first_of_class)
        chosen = order[np.concatenate([first_of_class, rest])[:rows]]
        pq.write_table(table.take(pa.array(np.sort(chosen))), path)


def train_once(folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train in a process of its own and return what it measured."""
    work = {key: getattr(options, key) for key in ("epochs", "batch_size", "threads", "lr", "seed")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_training", name, str(folder), json.dumps(work)],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(options.threads),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"the training by {NAMES[name]} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def summary(
    runs: list[dict[str, Any]], options: argparse.Namespace, counts: dict[str, int]
) -> dict[str, Any]:
    """Return medians, and the ratio of each pair of neighbours in time."""
    of = {name: [run for run in runs if run["name"] == name] for name in NAMES}
    ratios = {
        key: [b[key] / a[key] for a, b in zip(of["tritune"], of["trainer"], strict=True)]
        for key in ("seconds", "seconds_with_setup", "peak_memory_bytes")
    }
    return {
        "work": {
            "rows": counts,
            **{
                key: getattr(options, key)
                for key in ("epochs", "batch_size", "threads", "lr", "seed", "repeats")
            },
            "data": Path(options.data).name
            if options.data
            else f"chatterbot-corpus {version('chatterbot-corpus')}, topics in {len(LANGUAGES)} languages",
        },
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate")},
        "runs": runs,
        "median": {
            name: {
                key: statistics.median(run[key] for run in of[name])
                for key in ("seconds", "seconds_with_setup", "peak_memory_bytes", "accuracy", "macro_f1")
            }
            for name in NAMES
        },
        "trainer_over_tritune": {
            key: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for key, values in ratios.items()
        },
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the table for people."""
    work, median, ratio = report["work"], report["median"], report["trainer_over_tritune"]

    def row(title: str, key: str, form: str, scale: float = 1.0) -> str:
        cells = [format(median[name][key] / scale, form) for name in NAMES]
        if key in ratio:
            r = ratio[key]
            cells.append(f"{r['median']:.2f} ({r['min']:.2f} - {r['max']:.2f})")
        else:
            cells.append("")
        return f"| {title} | {' | '.join(cells)} |"

    lines = [
        "# Training against transformers' Trainer",
        "",
        f"{work['rows']['train']} training rows ({work['data']}), {work['epochs']} epochs, batches of "
        f"{work['batch_size']}, {work['threads']} threads, {work['repeats']} paired repeats in alternating "
        "order; our model is the best epoch's, Trainer's the last epoch's; "
        f"{', '.join(f'{name} {value}' for name, value in sorted(report['versions'].items()))}; "
        f"{report['machine']['cores']} cores. Made by `make bench`.",
        "",
        f"| | {' | '.join(NAMES.values())} | Trainer / ours: median (min - max) |",
        "|---|---|---|---|",
        row("seconds, training only", "seconds", ".1f"),
        row("seconds, with set-up", "seconds_with_setup", ".1f"),
        row("peak memory, MiB", "peak_memory_bytes", ".0f", 2**20),
        row("test accuracy", "accuracy", ".3f"),
        row("test macro F1", "macro_f1", ".3f"),
        "",
        verdict(report),
    ]
    return "\n".join(lines) + "\n"


def verdict(report: dict[str, Any]) -> str:
    """Return one sentence that names every figure in which the median of ours is the worse one."""
    costs = {
        "seconds": "training seconds",
        "seconds_with_setup": "seconds with set-up",
        "peak_memory_bytes": "peak memory",
    }
    scores = {"accuracy": "test accuracy", "macro_f1": "test macro F1"}
    ours, theirs = (report["median"][name] for name in NAMES)
    behind = [
        f"{title} (Trainer takes {report['trainer_over_tritune'][key]['median']:.2f} of ours)"
        for key, title in costs.items()
        if report["trainer_over_tritune"][key]["median"] < 1
    ]
    behind += [
        f"{title} ({ours[key]:.3f} against {theirs[key]:.3f})"
        for key, title in scores.items()
        if ours[key] < theirs[key]
    ]
    if not behind:
        return "This project is behind Trainer in none of these figures."
    return f"This project is behind Trainer in {', '.join(behind)}."


if __name__ == "__main__":
    main()
