"""How often the overfit watch finds overfitting, and how often it cries for nothing, on known truth.

    python -m benchmarks.overfit_detection

The trainings are those of benchmarks/simulated_trainings.py, whose curves nobody drew. A training overfits if
its true loss ends 10 % or more above its lowest while its training loss falls, and its true share of right
answers has gained no more than 0.01 since. It is healthy if its true loss ends within 2 %. What is in between
is told apart. The watch sees what it sees of a real training: a fixed slice of the training examples and a
finite validation split. How likely by chance a rise may be was chosen on trainings of their own, half as
many; what other chances would have given there is told too. The tables go to
docs/benchmarks/overfit_detection.md.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.simulated_trainings import KINDS, Trained, trained
from tritune.overfit_watch import CHANCE, watch
from tritune.training.loss_parts import example_groups

EPOCHS = (3, 5, 10, 20)
VALIDATION = (100, 300, 1000)
RUNS = 60
"""Trainings of each kind, number of epochs and size of the validation split."""

MARGIN = 0.01
OVERFITS, HEALTHY = 1.10, 1.02
"""True loss at the end, over its lowest."""

CHANCES = (0.05, 0.1, 0.15, 0.2, 0.3)
FIRST_OF_OTHERS = 1000
"""Number of the first of the trainings that the chance was chosen on."""

TARGET_RECALL, TARGET_FALSE_ALARMS = 0.9, 0.1
RESULT = Path("docs/benchmarks/overfit_detection")

Truth = Literal["overfitting", "healthy", "overconfident", "between"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS, help=f"trainings per condition ({RUNS})")
    arguments = parser.parse_args()
    content = {
        "runs": arguments.runs,
        "rows": [
            {
                "kind": kind,
                "epochs": epochs,
                "validation": size,
                **rates(
                    [judged(one) for one in trained(make, epochs=epochs, size=size, runs=arguments.runs)]
                ),
            }
            for kind, make in KINDS.items()
            for epochs in EPOCHS
            for size in VALIDATION
        ],
        "chances": by_chance(arguments.runs // 2),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.with_suffix(".json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    RESULT.with_suffix(".md").write_text(page(content), "utf-8")
    print(RESULT.with_suffix(".md").read_text("utf-8"))
    return 0


def by_chance(runs: int) -> list[dict[str, Any]]:
    """Return the rates for each of some chances, of all trainings together, others than the table's."""
    judgements = [
        (truth_of(one), alarming_from(one))
        for make in KINDS.values()
        for epochs in EPOCHS
        for size in VALIDATION
        for one in trained(make, epochs=epochs, size=size, runs=runs, first=FIRST_OF_OTHERS)
    ]
    return [
        {"chance": chance, **rates([(truth, least <= chance) for truth, least in judgements])}
        for chance in CHANCES
    ]


def truth_of(one: Trained) -> Truth:
    """Return what the training is, by the truth alone; see the top of this file."""
    lowest = int(one.true_loss.argmin())
    share = one.true_loss[-1] / one.true_loss[lowest]
    if share <= HEALTHY:
        return "healthy"
    training = one.training.losses.mean(axis=1)
    if share < OVERFITS or training[-1] >= training[lowest]:
        return "between"
    gained = one.true_accuracy[-1] - one.true_accuracy[lowest]
    return "overconfident" if gained > MARGIN else "overfitting"


def judged(one: Trained) -> tuple[Truth, bool]:
    """Return what the training is, and whether the watch says that it overfits."""
    return truth_of(one), alarming_from(one) <= CHANCE


def alarming_from(one: Trained) -> float:
    """Return the least chance of a rise at which the watch says that the training overfits; above 1: none."""
    found = watch(
        history_of(one),
        monitor="accuracy",
        margin=MARGIN,
        epochs=len(one.true_loss),
        examples=one.validation.right.shape[1],
        chance=1.0,
    )
    return float(found.p_value or 0.0) if found.verdict == "overfitting" else 2.0


def history_of(one: Trained) -> list[dict[str, Any]]:
    """Return the training's history, as the stage `train` writes it."""
    rows: list[dict[str, Any]] = []
    groups = {
        name: example_groups([f"{name} {i}" for i in range(answers.losses.shape[1])])
        for name, answers in (("train_slice", one.training), ("validation", one.validation))
    }
    scores = one.validation.right.mean(axis=1)
    for epoch in range(len(one.true_loss)):
        row: dict[str, Any] = {"epoch": epoch + 1, "best": epoch == int(scores.argmax())}
        for name, answers in (("train_slice", one.training), ("validation", one.validation)):
            losses = answers.losses[epoch]
            row[f"{name}_loss"] = float(losses.mean())
            row[f"{name}_accuracy"] = float(answers.right[epoch].mean())
            row[f"{name}_loss_parts"] = [float(losses[group].sum()) / len(losses) for group in groups[name]]
        row["train_slice_examples"] = one.training.losses.shape[1]
        rows.append(row)
    return rows


def rates(judgements: Sequence[tuple[Truth, bool]]) -> dict[str, Any]:
    """Return how many trainings of each truth there were, and which share of them was called overfitting."""
    found: dict[str, Any] = {}
    for truth in ("overfitting", "healthy", "overconfident", "between"):
        alarms = [alarm for true, alarm in judgements if true == truth]
        found[truth] = {"runs": len(alarms), "alarms": sum(alarms)}
    return found


def share(rows: Sequence[Mapping[str, Any]], truth: Truth) -> tuple[int, float | None]:
    """Return how many trainings of a truth there are in the rows, and the share with an alarm."""
    runs = sum(row[truth]["runs"] for row in rows)
    return runs, sum(row[truth]["alarms"] for row in rows) / runs if runs else None


def page(content: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    rows = content["rows"]
    lines = [
        "# How often overfitting is found, and how often called where there is none",
        "",
        f"{content['runs']} trainings a line, whose truth is known: lines by gradient descent and small "
        "networks, many of them on noisy labels. Overfitting: the true loss ends at least 10 % above its "
        "lowest, and the true accuracy has gained nothing since. Healthy: it ends within 2 %. The target is "
        f"{TARGET_RECALL:.0%} found at no more than {TARGET_FALSE_ALARMS:.0%} false alarms; lines that miss "
        "it are marked. Made by `python -m benchmarks.overfit_detection`.",
        "",
        "| trainings | epochs | validation examples | overfitting | found | healthy | false alarms | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_line(row["kind"], row["epochs"], row["validation"], [row]) for row in rows]
    lines += [_line(f"**{kind}, all**", "", "", [r for r in rows if r["kind"] == kind]) for kind in KINDS]
    lines += [_line("**all**", "", "", rows)]
    for truth, words in (
        (
            "between",
            "whose true loss ends 2 to 10 % above its lowest, or more where the training loss rose too",
        ),
        ("overconfident", "whose true loss rises while their true accuracy gains more than 0.01"),
    ):
        runs, alarms = share(rows, truth)
        lines += ["", f"{runs:,} trainings {words}: {_percent(alarms)} are called overfitting."]
    lines += [
        "",
        "## Why this chance",
        "",
        f"A rise of the loss counts if it is no likelier than {CHANCE:.0%} by chance. What others would have "
        f"given on trainings of their own, {content['runs'] // 2} a line:",
        "",
        "| chance | found | false alarms | rise of 2 to 10 %: called overfitting |",
        "|---:|---:|---:|---:|",
    ]
    for row in content["chances"]:
        cells = [_percent(share([row], truth)[1]) for truth in ("overfitting", "healthy", "between")]
        lines.append(f"| {row['chance']:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _line(kind: str, epochs: Any, validation: Any, rows: Sequence[Mapping[str, Any]]) -> str:
    (ill, found), (well, alarms) = share(rows, "overfitting"), share(rows, "healthy")
    missed = [] if found is None or found >= TARGET_RECALL else ["finds too few"]
    missed += [] if alarms is None or alarms <= TARGET_FALSE_ALARMS else ["too many false alarms"]
    return (
        f"| {kind} | {epochs} | {validation} | {ill} | {_percent(found)} | {well} | {_percent(alarms)} | "
        f"{', '.join(missed)} |"
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
