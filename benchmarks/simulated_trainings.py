"""Small trainings of which is known how good they really are after each epoch.

Two kinds, whose curves nobody drew:

- a line through random points, by gradient descent (Advani & Saxe 2017, section 2,
  https://arxiv.org/abs/1710.03667): how good it really is after any time is known exactly, and whether it
  overfits depends on the noise of its labels and the number of its examples.
- a small network (scikit-learn's MLPClassifier) on random classes with some labels changed, as in Zhang et
  al. 2017 (https://arxiv.org/abs/1611.03530): how good it really is, 10,000 further examples tell.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np


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
