"""Rows drawn from a source that a test can shift."""

import numpy as np

from tritune.drift.ingested import Example, Ingested

WORDS = [f"word{number}" for number in range(60)]
LABELS = ["a", "b", "c"]


def rows(draw: np.random.Generator, count: int, *, shares=(0.5, 0.3, 0.2), words=WORDS) -> list[Example]:
    """Texts of three to nine words and a label; every draw is another text."""
    return [
        Example(
            " ".join([*draw.choice(words, size=draw.integers(3, 10)), str(draw.integers(10**9))]),
            (str(draw.choice(LABELS, p=shares)),),
        )
        for _ in range(count)
    ]


def data(train: list[Example], *, labels=LABELS, columns=None) -> Ingested:
    own = {"id": "string", "text": "string", "label": "string"} if columns is None else columns
    return Ingested(own, labels, {"train": train, "validation": [], "test": []})
