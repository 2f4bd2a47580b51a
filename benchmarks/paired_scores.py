"""Scores of trainings that differ in one thing, seed by seed, and whether they differ by more than chance.

    python -m benchmarks.paired_scores trainer --seeds 5

`precision`: ours in fp32 and in bf16, which `compute.precision: auto` takes where the hardware has it.
`frozen_dropout`: ours with dropout in the frozen layers, where other programs leave it on, and without it.
`trainer`: transformers' Trainer at its best, and ours.

The cases are those of `benchmarks.versus_trainer`, on as many rows or fewer; both of a pair have the same
seed, the same new head, the same tokens, and are scored on the same test split. What a seed gave is kept: the
same command goes on after the last one.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept_trainings import keep_trainings, kept_trainings
from benchmarks.prepared import ROOT, labelled_texts, prepare_case
from benchmarks.speed_cases import CASES, texts_of
from benchmarks.topics import corpus_name
from benchmarks.versus_trainer import train_once
from tritune.compute import chosen_precision, cpu_name, prepare_torch
from tritune.settings.train import ComputeSettings
from tritune.statistics.estimate import estimate

METRICS = {"accuracy": "test accuracy", "macro_f1": "test macro F1"}
FIRST_SEED = 13


@dataclass(frozen=True)
class Contender:
    """One of the two that are compared."""

    title: str
    name: str = "tritune"
    """As `benchmarks.one_training` takes it."""

    precision: str = "auto"
    """As under `compute` in params.yaml."""


@dataclass(frozen=True)
class Question:
    """What is asked of pairs of trainings."""

    title: str
    cases: tuple[str, ...]
    rows: int
    """Of the training split, at most."""

    first: Contender
    second: Contender
    remark: str

    @property
    def contenders(self) -> tuple[Contender, Contender]:
        return self.first, self.second


QUESTIONS = {
    "precision": Question(
        title="Scores of models trained in bf16 and in fp32",
        cases=("full", "partial"),
        rows=300,
        first=Contender("fp32", precision="fp32"),
        second=Contender("bf16", precision="bf16"),
        remark="Both by this project.",
    ),
    "frozen_dropout": Question(
        title="Scores with dropout in the frozen layers and without",
        cases=("partial", "partial_deep"),
        rows=1000,
        first=Contender("with", name="tritune_frozen_dropout"),
        second=Contender("without"),
        remark="Both by this project, which has none there, so that frozen layers run once.",
    ),
    "trainer": Question(
        title="Scores against transformers' Trainer",
        cases=("full", "adaptive", "partial", "partial_deep"),
        rows=1000,
        first=Contender("Trainer", name="trainer_at_best"),
        second=Contender("this project"),
        remark=(
            "Trainer makes batches of rows of similar length, has dropout in frozen layers too, and gives "
            "the last epoch's model; ours is the best epoch's. Both in the precision that `auto` takes here."
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: all of the question")
    parser.add_argument("--seeds", type=int, default=5, help="of each (default: %(default)s)")
    parser.add_argument("--data", help="csv, tsv, jsonl, parquet or folder (default: the corpus of the demo)")
    parser.add_argument("--text", default="text", help="column of --data that holds the text")
    parser.add_argument("--label", default="label", help="column of --data that holds the label")
    parser.add_argument("--name", help="of the files in docs/benchmarks (default: scores_QUESTION)")
    options = parser.parse_args()
    question = QUESTIONS[options.question]
    target = ROOT / "docs/benchmarks" / f"{options.name or f'scores_{options.question}'}.json"
    conditions = conditions_of(options.question, data=options.data)
    runs = kept_trainings(target, conditions)
    with tempfile.TemporaryDirectory(prefix="tritune-bench-") as temporary:
        for name in options.cases or question.cases:
            done = sum(run["case"] == name for run in runs) // len(question.contenders)
            missing = range(FIRST_SEED + done, FIRST_SEED + options.seeds)
            if not missing:
                continue
            case, folder = CASES[name], Path(temporary) / name
            folder.mkdir()
            data = labelled_texts(
                folder, options.data, text=options.text, label=options.label, otherwise=texts_of(case)
            )
            prepare_case(folder, case, data=data, rows=question.rows, seed=FIRST_SEED)
            for seed in missing:
                turn = []
                for contender in question.contenders:
                    work = {"batch_size": 32, "threads": 1, "seed": seed}
                    told = {"work": work, "precision": precision_of(contender)}
                    found = train_once(folder, contender.name, case, told)
                    turn.append({"case": name, "seed": seed, "by": contender.title})
                    turn[-1].update((metric, found[metric]) for metric in METRICS)
                    print(turn[-1], flush=True)
                runs += turn
                keep_trainings(target, {"conditions": conditions, "trainings": runs})
    text = page(runs, conditions)
    target.with_suffix(".md").write_text(text, "utf-8")
    print(text)


def conditions_of(question: str, *, data: str | None) -> dict[str, Any]:
    """Return what makes the trainings of a question comparable, as plain JSON values."""
    asked = QUESTIONS[question]
    return {
        "question": question,
        "cases": {name: asdict(CASES[name]) for name in asked.cases},
        "rows": asked.rows,
        "precisions": [precision_of(contender) for contender in asked.contenders],
        "data": Path(data).name if data else corpus_name(),
        "machine": cpu_name(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }


def precision_of(contender: Contender) -> str:
    """Return "bf16" or "fp32": what a training by the contender computes in on this machine."""
    compute = ComputeSettings.model_validate({"precision": contender.precision, "threads": 1})
    return chosen_precision(compute, prepare_torch(compute))


def page(runs: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]) -> str:
    """Return the table for people: both means of each case and metric, and how far apart they are.

    Args:
        runs: of each seed of a case both contenders of the question.
        conditions: as `conditions_of` gives them.
    """
    question = QUESTIONS[conditions["question"]]
    first, second = (contender.title for contender in question.contenders)
    versions = ", ".join(f"{name} {number}" for name, number in sorted(conditions["versions"].items()))
    lines = [
        f"# {question.title}",
        "",
        f"{conditions['data']}; up to {conditions['rows']:,} training rows, batches of 32; "
        f"{conditions['machine']}; {versions}. {question.remark} The same seeds in both; the interval is "
        f"that of the mean of their differences (95 %, Student's t). Made by `python -m "
        f"benchmarks.paired_scores {conditions['question']}`.",
        "",
        f"| case | metric | seeds | {first} | {second} | {second} less {first} | interval |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for case in dict.fromkeys(run["case"] for run in runs):
        for metric, title in METRICS.items():
            one, other = (
                np.array([run[metric] for run in runs if run["case"] == case and run["by"] == by])
                for by in (first, second)
            )
            found = estimate(other - one, None, examples=None)
            ends = found.interval()
            told = "unknown" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"
            epochs = conditions["cases"][case]["epochs"]
            lines.append(
                f"| {conditions['cases'][case]['title']}, {epochs} epochs | {title} | {len(one)} "
                f"| {one.mean():.4f} | {other.mean():.4f} | {found.value:+.4f} | {told} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
