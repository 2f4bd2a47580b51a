"""Time this project's training against transformers' Trainer, in one run, on the same work.

    python -m benchmarks.versus_trainer --rows 2000 --repeats 3 --epochs 3

For each method all start from the same base model with the same new head, on the same tokens, with the same
frozen part, epochs, batch size, threads, peak learning rates, schedule, weight decay, clipping and seed, and
evaluate on the validation split after each epoch. Everything else of Trainer is at its defaults, saving and
reporting off; once more at its best, with batches of rows of similar length (its fused AdamW is its default).
The rows are the demo's, in more languages (benchmarks/topics.py), or your own by --data.
Each training has a process of its own; they take turns, and who goes first alternates.
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
NAMES = {
    "tritune": "this project",
    "trainer": "Trainer, defaults",
    "trainer_at_best": "Trainer at its best",
}
METHODS = ("full", "partial", "adaptive")
FIGURES = ("seconds", "seconds_with_setup", "peak_memory_bytes", "accuracy", "macro_f1")
COSTS = FIGURES[:3]


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
        turns = [(repeat, method) for repeat in range(options.repeats) for method in options.methods]
        for repeat, method in turns:
            order = list(NAMES)
            for name in order[repeat % 3 :] + order[: repeat % 3]:
                result = {
                    "name": name,
                    "method": method,
                    "repeat": repeat,
                    **train_once(Path(folder), name, method, options),
                }
                runs.append(result)
                print(
                    f"repeat {repeat + 1}/{options.repeats}  {method}, {NAMES[name]}: "
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
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="as in params.yaml (default: all)"
    )
    parser.add_argument("--lr", type=float, help="peak learning rate (default: as in params.yaml)")
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
    for method in options.methods:
        settings = {**params["method"][method], **({"lr": options.lr} if options.lr else {})}
        stage(
            prepare,
            ["base", "data/tokens"],
            [f"plans/{method}"],
            {**task, f"method.{method}": settings},
            item={"method": method},
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


def train_once(folder: Path, name: str, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train in a process of its own and return what it measured."""
    work = {key: getattr(options, key) for key in ("epochs", "batch_size", "threads", "seed")}
    work["method"] = method
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
    """Return medians, and how much Trainer costs of what we cost, taken within each repeat."""
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
        "methods": {
            method: method_summary([run for run in runs if run["method"] == method])
            for method in dict.fromkeys(run["method"] for run in runs)
        },
    }


def method_summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of each contender, and the ratios of the others to us."""
    of = {
        name: sorted((run for run in runs if run["name"] == name), key=lambda run: run["repeat"])
        for name in NAMES
    }
    ratios = {
        name: {key: [b[key] / a[key] for a, b in zip(of["tritune"], of[name], strict=True)] for key in COSTS}
        for name in NAMES
        if name != "tritune"
    }
    return {
        "median": {
            name: {key: statistics.median(run[key] for run in runs_of) for key in FIGURES}
            for name, runs_of in of.items()
        },
        "over_tritune": {
            name: {
                key: {"median": statistics.median(values), "min": min(values), "max": max(values)}
                for key, values in costs.items()
            }
            for name, costs in ratios.items()
        },
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the table for people."""
    work = report["work"]
    lines = [
        "# Training against transformers' Trainer",
        "",
        f"{work['rows']['train']} training rows ({work['data']}), {work['epochs']} epochs, batches of "
        f"{work['batch_size']}, {work['threads']} threads, {work['repeats']} paired repeats in changing "
        "order, medians; our model is the best epoch's, Trainer's the last epoch's; at its best Trainer "
        "makes batches of rows of similar length; "
        f"{', '.join(f'{name} {value}' for name, value in sorted(report['versions'].items()))}; "
        f"{report['machine']['cores']} cores. Made by `make bench`.",
        "",
        "| method | by | seconds, training only | times ours (min - max) | seconds, with set-up "
        "| peak memory, MiB | times ours (min - max) | test accuracy | test macro F1 |",
        f"|{'---|' * 9}",
    ]
    for method, content in report["methods"].items():
        for name, median in content["median"].items():
            ratio = content["over_tritune"].get(name)
            cells = [
                method,
                NAMES[name],
                f"{median['seconds']:.1f}",
                spread(ratio["seconds"]) if ratio else "",
                f"{median['seconds_with_setup']:.1f}",
                f"{median['peak_memory_bytes'] / 2**20:.0f}",
                spread(ratio["peak_memory_bytes"]) if ratio else "",
                f"{median['accuracy']:.3f}",
                f"{median['macro_f1']:.3f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", verdict(report)]) + "\n"


def spread(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} - {ratio['max']:.2f})"


def verdict(report: dict[str, Any]) -> str:
    """Return one sentence that names every figure in which the median of ours is the worse one."""
    costs = dict(zip(COSTS, ("training seconds", "seconds with set-up", "peak memory"), strict=True))
    scores = {"accuracy": "test accuracy", "macro_f1": "test macro F1"}
    behind = []
    for method, content in report["methods"].items():
        ours = content["median"]["tritune"]
        for name, ratios in content["over_tritune"].items():
            theirs = content["median"][name]
            behind += [
                f"{method}: {title} ({NAMES[name]} takes {ratios[key]['median']:.2f} of ours)"
                for key, title in costs.items()
                if ratios[key]["median"] < 1
            ]
            behind += [
                f"{method}: {title} ({ours[key]:.3f} against {theirs[key]:.3f} of {NAMES[name]})"
                for key, title in scores.items()
                if ours[key] < theirs[key]
            ]
    if not behind:
        return "This project is behind Trainer in none of these figures."
    return f"This project is behind Trainer in {'; '.join(behind)}."


if __name__ == "__main__":
    main()
