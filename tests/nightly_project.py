"""A tiny project before its first night: what tests of whole nights by the real commands begin with."""

import random
import shutil
from typing import Any

import pytest

from benchmarks import nights
from benchmarks.play import Play


def settings(params: dict[str, Any]) -> None:
    params["model"]["source"] = "base model"
    params["methods"] = ["partial"]
    params["method"] = {"partial": {"kind": "partial", "freeze_layers": 0, "lr": 3e-3}}
    # A random model learns nothing at first: with less patience it would answer with one class for ever.
    params["train"].update(epochs=40, patience=40, batch_size=8)
    params["register"].update(margin=0.05, class_margin=0.2, calibration_margin=0.2)


@pytest.fixture
def project(make_clone, tiny_base, topic_rows) -> Play:
    """A project before its first night; its rows are of the words that the tiny model's tokenizer knows."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    nights.prepare_clone(clone, settings)
    words: dict[str, set[str]] = {}
    for text, topic in topic_rows:
        words.setdefault(topic, set()).update(text.split())
    fillers = set.intersection(*words.values())
    draw, rows = random.Random(8), {}
    while len(rows) < 1500:
        topic = draw.choice(sorted(words))
        chosen = draw.sample(sorted(words[topic] - fillers), 2) + draw.sample(
            sorted(fillers), draw.randint(1, 6)
        )
        rows[" ".join(draw.sample(chosen, len(chosen)))] = topic
    every = list(rows.items())
    return Play(clone, train=every[:100], test=every[100:400], reserve=every[400:])
