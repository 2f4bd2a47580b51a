"""How often the overfit watch finds overfitting, and how often it cries for nothing, on known truth.

    python -m benchmarks.overfit_detection

Two kinds of training, whose curves nobody drew:

- a line through random points, by gradient descent (Advani & Saxe 2017, section 2,
  https://arxiv.org/abs/1710.03667): how good it really is after any time is known exactly, and whether it
  overfits depends on the noise of its labels and the number of its examples.
- a small network (scikit-learn's MLPClassifier) on random classes with some labels changed, as in Zhang et
  al. 2017 (https://arxiv.org/abs/1611.03530): how good it really is, 10,000 further examples tell.

A training overfits if its true loss ends 10 % or more above its lowest while its training loss falls, and
its true share of right answers has gained no more than 0.01 since. It is healthy if its true loss ends within
2 %. What is in between is told apart. The watch sees what it sees of a real training: a fixed slice of the
training examples and a finite validation split. How likely by chance a rise may be was chosen on trainings of
their own, half as many; what other chances would have given there is told too. The tables go to
docs/benchmarks/overfit_detection.md.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tritune.overfit_watch import CHANCE, Watch, watch
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


@dataclass(frozen=True)
class Answers:
    """Of a model to some examples, after each epoch."""

    losses: np.ndarray
    """[epochs, examples]"""

    right: np.ndarray
    """[epochs, examples] bool."""


@dataclass(frozen=True)
class Trained:
    """One training with its truth."""

    training: Answers
    """To the slice of the training examples."""

    validation: Answers
    true_loss: np.ndarray
    """[epochs]"""

    true_accuracy: np.ndarray
    """[epochs]"""


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
        judged_by_chance(one)
        for make in KINDS.values()
        for epochs in EPOCHS
        for size in VALIDATION
        for one in trained(make, epochs=epochs, size=size, runs=runs, first=FIRST_OF_OTHERS)
    ]
    return [
        {"chance": chance, **rates([(truth, likely <= chance) for truth, likely in judgements])}
        for chance in CHANCES
    ]


def trained(
    make: Callable[..., Trained], *, epochs: int, size: int, runs: int, first: int = 0
) -> Iterator[Trained]:
    """Yield trainings: the same for the same arguments."""
    for run in range(first, first + runs):
        yield make(np.random.default_rng([run, epochs, size]), epochs=epochs, size=size)


def line(draw: np.random.Generator, *, epochs: int, size: int) -> Trained:
    """Return a linear student of a linear teacher, by gradient descent in continuous time.

    The label's sign is the class. Loss: squared error, whose truth is |w - w*|^2 plus the noise's variance.
    """
    inputs, rows = 40, int(draw.choice([50, 80, 150, 400]))
    noise = float(draw.choice([0.1, 0.5, 1.0, 2.0]))
    teacher = draw.normal(size=inputs) / np.sqrt(inputs)

    def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
        given = draw.normal(size=(count, inputs))
        return given, given @ teacher + noise * draw.normal(size=count)

    given, labels = examples(rows)
    asked, answers = examples(size)
    # Gradient flow in the directions of the data: each is learnt at its own speed, and none before 0.
    left, strengths, right = np.linalg.svd(given / np.sqrt(rows), full_matrices=False)
    ends = (left.T @ labels) / np.sqrt(rows) / strengths
    time = 10 ** draw.uniform(-0.3, 2.0)  # from half a time constant of the data to a hundred
    weights = np.stack(
        [
            right.T @ (ends * (1 - np.exp(-(strengths**2) * time * (epoch + 1) / epochs)))
            for epoch in range(epochs)
        ]
    )
    watched = min(rows, 100)
    alike = weights @ teacher / np.maximum(np.linalg.norm(weights, axis=1), 1e-12)
    # Of two normal variables with correlation r, the signs agree with probability 1/2 + arcsin(r) / pi.
    correlation = alike / np.sqrt(teacher @ teacher + noise**2)
    return Trained(
        training=_of_a_line(weights, given[:watched], labels[:watched]),
        validation=_of_a_line(weights, asked, answers),
        true_loss=((weights - teacher) ** 2).sum(axis=1) + noise**2,
        true_accuracy=0.5 + np.arcsin(correlation) / np.pi,
    )


def _of_a_line(weights: np.ndarray, given: np.ndarray, labels: np.ndarray) -> Answers:
    predicted = weights @ given.T
    return Answers((predicted - labels) ** 2, np.sign(predicted) == np.sign(labels))


def network(draw: np.random.Generator, *, epochs: int, size: int) -> Trained:
    """Return a network of 64 hidden units on three clouds of points in 20 dimensions, by Adam.

    Loss: cross entropy on labels of which some are changed, in all splits alike.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    rows = int(draw.choice([150, 400, 1500]))
    changed = float(draw.choice([0.0, 0.1, 0.3]))
    centres = draw.normal(size=(3, 20)) * 0.6

    def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
        classes = draw.integers(3, size=count)
        given = centres[classes] + draw.normal(size=(count, 20))
        swapped = draw.random(count) < changed
        return given, np.where(swapped, draw.integers(3, size=count), classes)

    given, labels = examples(rows)
    asked, answers = examples(size)
    further, truth = examples(10_000)
    model = MLPClassifier(
        hidden_layer_sizes=(64,),
        alpha=0.0,
        batch_size=32,
        learning_rate_init=float(10 ** draw.uniform(-3.5, -1.7)),
        random_state=int(draw.integers(2**31)),
    )
    watched = min(rows, 100)
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(epochs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.partial_fit(given, labels, classes=[0, 1, 2])
        for name, points, classes in (
            ("training", given[:watched], labels[:watched]),
            ("validation", asked, answers),
            ("truth", further, truth),
        ):
            probabilities = np.maximum(model.predict_proba(points), 1e-12)
            own = probabilities[np.arange(len(classes)), classes]
            found.setdefault(f"{name} loss", []).append(-np.log(own))
            found.setdefault(f"{name} right", []).append(probabilities.argmax(axis=1) == classes)
    split = {
        name: Answers(np.stack(found[f"{name} loss"]), np.stack(found[f"{name} right"]))
        for name in ("training", "validation", "truth")
    }
    return Trained(
        training=split["training"],
        validation=split["validation"],
        true_loss=split["truth"].losses.mean(axis=1),
        true_accuracy=split["truth"].right.mean(axis=1),
    )


KINDS: Mapping[str, Callable[..., Trained]] = {"line": line, "network": network}


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
    return truth_of(one), watched(one, chance=CHANCE).verdict == "overfitting"


def judged_by_chance(one: Trained) -> tuple[Truth, float]:
    """Return what the training is, and from which chance on it is said to overfit; above 1: never."""
    found = watched(one, chance=1.0)
    return truth_of(one), float(found.p_value or 0.0) if found.verdict == "overfitting" else 2.0


def watched(one: Trained, *, chance: float) -> Watch:
    """Return what the watch finds in a training."""
    return watch(
        history_of(one),
        monitor="accuracy",
        margin=MARGIN,
        epochs=len(one.true_loss),
        examples=one.validation.right.shape[1],
        chance=chance,
    )


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
