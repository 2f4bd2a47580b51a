"""Entities found by our models against those by transformers' token-classification example, seed by seed.

    python -m benchmarks.versus_ner_example --data FOLDER

Both start from the same base model with the same new head, on the same tokens, with the settings of
configs/wnut17.yaml: the same epochs, batch size, peak learning rate, schedule, weight decay, clipping and
threads. Ours keeps the epoch that is best on the validation split, as the pipeline does; the example keeps
the last. Each training has a process of its own; the two take turns, and who goes first alternates.
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

from ruamel.yaml import YAML

from benchmarks.prepared import ROOT, stage

NAMES = {"tritune": "this project", "example": "transformers' example"}
SCORES = ("entity_f1", "entity_precision", "entity_recall", "accuracy")


def main() -> None:
    options = arguments()
    params = YAML(typ="safe").load((ROOT / "configs/wnut17.yaml").read_text("utf-8"))
    if options.epochs:
        params["train"]["epochs"] = options.epochs
    with tempfile.TemporaryDirectory(prefix="tritune-ner-") as temporary:
        folder = Path(temporary)
        work = prepare_work(folder, params, options)
        trainings: list[dict[str, Any]] = []
        for number, seed in enumerate(options.seeds):
            for name in list(NAMES)[:: 1 if number % 2 == 0 else -1]:
                told = train_once(folder, name, {**work["training"], "seed": seed})
                trainings.append({"name": name, "seed": seed, **told})
                print(
                    f"seed {seed}, {NAMES[name]}: {told['seconds']:.0f} s, test entity F1 "
                    f"{told['entity_f1']:.4f}",
                    flush=True,
                )
    report = summary(trainings, work)
    table = markdown(report)
    print(f"\n{table}")
    target = Path(options.out)
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{options.name}.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", "utf-8")
    (target / f"{options.name}.md").write_text(table, "utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder with train, validation and test")
    parser.add_argument("--model", help="as model.source in params.yaml; default: as in the configuration")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--epochs", type=int, help="default: as in the configuration")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--out", default=str(ROOT / "docs" / "benchmarks"), help="folder for the table")
    parser.add_argument("--name", default="versus_ner_example", help="of the files there")
    return parser.parse_args()


def prepare_work(folder: Path, params: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Run the stages up to the tuning plan in a folder of their own; return what the trainings need."""
    from tasks import fetch, ingest, prepare, tokenize

    task = {"task": "named_entity_recognition"}
    data = {**params["data"], "source": str(Path(options.data).resolve())}
    model = dict(params["model"])
    if options.model:
        local = not options.model.startswith(("package:", "hub:"))
        model["source"] = str(Path(options.model).resolve()) if local else options.model
    os.chdir(folder)
    stage(fetch, [], ["data/raw", "base"], {**task, "data.source": data["source"], "model": model})
    stage(ingest, ["data/raw"], ["data/ingested"], {**task, "data": data})
    tokenizing = {**task, "tokenize": params.get("tokenize", {})}
    stage(tokenize, ["data/ingested", "base"], ["data/tokens"], tokenizing)
    method = {**task, "method.full": params["method"]["full"]}
    stage(prepare, ["base", "data/tokens"], ["plans/full"], method, item={"method": "full"})
    plan = json.loads(Path("plans/full/plan.json").read_text("utf-8"))
    tokens = json.loads(Path("data/tokens/tokens.json").read_text("utf-8"))
    train = {**params["train"], "patience": params["train"]["epochs"]}
    return {
        "rows": tokens["rows"],
        "counts": tokens["counts"],
        "training": {
            "train": train,
            "threads": options.threads,
            "lr": max(group["lr"] for group in plan["groups"] if group["lr"] is not None),
        },
    }


def train_once(folder: Path, name: str, work: dict[str, Any]) -> dict[str, Any]:
    """Train in a process of its own and return what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_ner_training", name, str(folder), json.dumps(work)],
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
        raise SystemExit(f"the training by {NAMES[name]} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def summary(trainings: list[dict[str, Any]], work: dict[str, Any]) -> dict[str, Any]:
    """Return each training, the means over the seeds, and the differences seed by seed."""
    of = {name: [one for one in trainings if one["name"] == name] for name in NAMES}
    ours, theirs = ({one["seed"]: one["entity_f1"] for one in of[name]} for name in NAMES)
    return {
        **work,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("seqeval", "tokenizers", "torch", "transformers")},
        "trainings": trainings,
        "mean": {
            name: {key: statistics.fmean(one[key] for one in of[name]) for key in (*SCORES, "seconds")}
            for name in NAMES
        },
        "differences": {seed: ours[seed] - theirs[seed] for seed in ours},
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the table for people."""
    work, mean = report["training"], report["mean"]
    differences = report["differences"].values()
    versions = ", ".join(f"{name} {number}" for name, number in sorted(report["versions"].items()))
    lines = [
        "# Entities: against transformers' token-classification example",
        "",
        f"{report['rows']['train']} training and {report['rows']['test']} test texts, "
        f"{work['train']['epochs']} epochs, batches of {work['train']['batch_size']}, peak learning rate "
        f"{work['lr']:.2g}, {work['threads']} thread; ours keeps the best epoch on the validation split, the "
        f"example the last one. {versions}; {report['machine']['cores']} cores "
        f"({report['machine']['processor']}). Made by `python -m benchmarks.versus_ner_example`.",
        "",
        "| | seed | entity F1 | precision | recall | words right | epoch kept | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, title in NAMES.items():
        for one in report["trainings"]:
            if one["name"] == name:
                cells = [f"{one[key]:.4f}" for key in SCORES]
                lines.append(
                    f"| {title} | {one['seed']} | {' | '.join(cells)} | {one['best_epoch']:.0f} | "
                    f"{one['seconds']:.0f} |"
                )
        cells = [f"**{mean[name][key]:.4f}**" for key in SCORES]
        lines.append(f"| {title} | mean | {' | '.join(cells)} | | {mean[name]['seconds']:.0f} |")
    lines += [
        "",
        f"Test entity F1, ours less theirs, seed by seed: {', '.join(f'{one:+.4f}' for one in differences)}; "
        f"mean {statistics.fmean(differences):+.4f}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
