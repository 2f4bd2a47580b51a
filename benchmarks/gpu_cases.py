"""What `python -m benchmarks.gpu_speed` trains: models with random weights, on rows of random tokens."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tritune.tokens import TokenTable

CLASSES = 8
FIRST_TOKEN = 1000
"""Lower ones are left to special tokens, of which a model looks for some."""


@dataclass(frozen=True)
class GpuCase:
    """Full fine-tuning of one model on rows of some length."""

    title: str
    model: str
    """Key of `MODELS`."""

    longest: int
    batch_size: int
    steps: int
    """Of a turn."""

    shortest: int | None = None
    """Lengths are drawn evenly from here to the longest; None: all rows are of the longest."""


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-base": (
        "Bert",
        {"vocab_size": 30522, "pad_token_id": 0, "num_labels": CLASSES},
    ),
    "decoder-1b": (
        "Llama",
        {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32000,
            "max_position_embeddings": 2048,
            "pad_token_id": 0,
            "num_labels": CLASSES,
        },
    ),
    "tiny": (
        "Bert",
        {
            "vocab_size": 3000,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "pad_token_id": 0,
            "num_labels": CLASSES,
        },
    ),
}
"""Family of transformers and its configuration. The decoder is Llama 3.2 1B's, with a smaller vocabulary."""

CASES = {
    "bert_128": GpuCase("BERT-base", "bert-base", longest=128, batch_size=32, steps=20),
    "bert_512": GpuCase("BERT-base", "bert-base", longest=512, batch_size=32, steps=10),
    "bert_mixed": GpuCase("BERT-base", "bert-base", longest=512, batch_size=32, steps=10, shortest=32),
    "decoder_128": GpuCase("1B decoder", "decoder-1b", longest=128, batch_size=64, steps=5),
    "decoder_512": GpuCase("1B decoder", "decoder-1b", longest=512, batch_size=16, steps=5),
    "tiny": GpuCase(
        "a tiny BERT, to try the benchmark", "tiny", longest=32, batch_size=8, steps=3, shortest=8
    ),
}
"""By the name that `--cases` takes."""


def random_rows(case: GpuCase, steps: int, *, seed: int) -> TokenTable:
    """Return enough rows for a number of steps."""
    draw = np.random.RandomState(seed)
    count = case.batch_size * steps
    shortest = case.longest if case.shortest is None else case.shortest
    offsets = np.concatenate([[0], np.cumsum(draw.randint(shortest, case.longest + 1, count))])
    vocabulary = MODELS[case.model][1]["vocab_size"]
    return TokenTable(
        row_ids=pa.array([str(number) for number in range(count)]),
        tokens=draw.randint(FIRST_TOKEN, vocabulary, offsets[-1]).astype(np.int32),
        offsets=offsets,
        labels=draw.randint(CLASSES, size=count).astype(np.int32),
    )
