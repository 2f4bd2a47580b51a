"""Token rows for a model that points at an answer: where it starts and ends in each window.

A window that does not hold the whole answer is labelled with its no-answer position, at the start and at the
end.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from tritune.question_answering.span_search import MAX_ANSWER_TOKENS
from tritune.question_answering.windows import Window, Windower, whole_answer
from tritune.tokenizing import TextTokenizer
from tritune.tokens import token_schema


class SpanEncoder:
    """One row per window."""

    columns: Sequence[str] = ("id", "question", "context", "starts", "ends")
    inputs: Sequence[str] = ("question", "context")

    def __init__(self, tokenizer: TextTokenizer, *, stride: int) -> None:
        """See `Windower` for the stride and its errors."""
        self.answering: Mapping[str, Any] = {"stride": stride}
        self._windower = Windower(tokenizer, stride=stride)
        self._token_types = tokenizer.token_types
        offsets = pa.list_(pa.int32())
        self.schema = token_schema(
            listed_labels=True,
            token_types=tokenizer.token_types,
            own={"starts": offsets, "ends": offsets, "no_answer": pa.int32()},
        )

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return the windows of some questions; labels are [start, end], positions of tokens, both inclusive.

        The first gold answer that some window holds whole is the one to learn. Counts: `questions_cut`,
        `answers`, and of these `unreachable`: gold answers that no prediction could be,
        because they are nowhere in the context, or in no window whole, or longer than `MAX_ANSWER_TOKENS`;
        `unreachable_questions`, all of whose answers are.
        """
        windows = self._windower.windows(rows["question"], rows["context"], counts=counts)
        labels: list[tuple[int, int]] = []
        for example, group in groupby(windows, key=lambda window: window.example):
            labels += _labels(list(group), rows["starts"][example], rows["ends"][example], counts)
        columns = {
            "id": [rows["id"][window.example] for window in windows],
            "input_ids": [window.input_ids for window in windows],
            "labels": labels,
            "starts": [window.starts for window in windows],
            "ends": [window.ends for window in windows],
            "no_answer": [window.no_answer for window in windows],
        }
        if self._token_types:
            columns["token_type_ids"] = [window.type_ids for window in windows]
        return pa.record_batch(
            [pa.array(columns[field.name], field.type) for field in self.schema], schema=self.schema
        )


def _labels(
    windows: Sequence[Window], starts: Sequence[int], ends: Sequence[int], counts: dict[str, int]
) -> list[tuple[int, int]]:
    """Return each window's label, and count what can be reached."""
    whole = [
        whole_answer(windows, start, end) if start >= 0 else []
        for start, end in zip(starts, ends, strict=True)
    ]
    held = [spans for spans in whole if any(span is not None for span in spans)]
    reachable = [
        spans
        for spans in held
        if any(span is not None and span[1] - span[0] < MAX_ANSWER_TOKENS for span in spans)
    ]
    unreachable = len(starts) - len(reachable)
    for name, number in (
        ("answers", len(starts)),
        ("unreachable", unreachable),
        ("unreachable_questions", int(unreachable > 0 and not reachable)),
    ):
        counts[name] = counts.get(name, 0) + number
    learnt = held[0] if held else [None] * len(windows)
    return [
        (window.no_answer, window.no_answer) if span is None else span
        for window, span in zip(windows, learnt, strict=True)
    ]
