"""The recipe of transformers' question-answering example: its features, and how it reads answers.

Source: examples/pytorch/question-answering (`run_qa.py`, `utils_qa.py`) of transformers, for a tokenizer that
pads at the right and data in which every question has an answer. Rows are padded to the longest of their
batch (`pad_to_max_length: false` there).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BEST = 20
"""`n_best_size`: of the starts and of the ends that are combined."""

LONGEST = 30
"""`max_answer_length`, in tokens."""


def features(
    tokenizer: Any, questions: Sequence[str], contexts: Sequence[str], *, max_length: int, stride: int
) -> Any:
    """Return the windows of all questions as the example cuts them."""
    return tokenizer(
        [question.lstrip() for question in questions],
        list(contexts),
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def positions(
    cut: Any, starts: Sequence[int], ends: Sequence[int], *, cls_token_id: int
) -> list[tuple[int, int]]:
    """Return the label of each window: its answer's first and last token, or the CLS token twice.

    Args:
        cut: What `features` gave.
        starts: Of each question's first answer, a character of its context.
        ends: One past its last character.
    """
    labels = []
    for row, example in enumerate(cut["overflow_to_sample_mapping"]):
        offsets, none = cut["offset_mapping"][row], cut["input_ids"][row].index(cls_token_id)
        inside = [token for token, part in enumerate(cut.sequence_ids(row)) if part == 1]
        start, end = starts[example], ends[example]
        if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
            labels.append((none, none))
            continue
        first = max(token for token in inside if offsets[token][0] <= start)
        last = min(token for token in inside if offsets[token][1] >= end)
        labels.append((first, last))
    return labels


def answers(cut: Any, contexts: Sequence[str], start_logits: np.ndarray, end_logits: np.ndarray) -> list[str]:
    """Return the answer to each question: the best of 20 starts with 20 ends over all its windows.

    Args:
        cut: What `features` gave.
        contexts: Of each question.
        start_logits: [windows, longest]; what lies past a window's end is padding.
        end_logits: Likewise.
    """
    best: dict[int, tuple[float, str]] = {}
    for row, example in enumerate(cut["overflow_to_sample_mapping"]):
        offsets = cut["offset_mapping"][row]
        inside = {token for token, part in enumerate(cut.sequence_ids(row)) if part == 1}
        for first in np.argsort(start_logits[row])[::-1][:BEST].tolist():
            for last in np.argsort(end_logits[row])[::-1][:BEST].tolist():
                if first in inside and last in inside and first <= last < first + LONGEST:
                    score = float(start_logits[row, first] + end_logits[row, last])
                    if example not in best or score > best[example][0]:
                        text = contexts[example][offsets[first][0] : offsets[last][1]]
                        best[example] = (score, text)
    return [best[example][1] if example in best else "empty" for example in range(len(contexts))]


def training_rows(cut: Any, labels: Sequence[tuple[int, int]]) -> list[Mapping[str, Any]]:
    """Return what Trainer learns from, a row a window."""
    names = [name for name in ("input_ids", "token_type_ids", "attention_mask") if name in cut]
    return [
        {**{name: cut[name][row] for name in names}, "start_positions": first, "end_positions": last}
        for row, (first, last) in enumerate(labels)
    ]
