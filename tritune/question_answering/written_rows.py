"""Token rows for a model that writes its answer: a prompt per window, and the tokens to write after it.

A window that does not hold a gold answer is to be answered with `NO_ANSWER`. The loss is on the answer alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tritune.question_answering.prompts import NO_ANSWER, Prompt, Prompter
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED, token_schema


class WrittenEncoder:
    """One row per window."""

    columns: Sequence[str] = ("id", "question", "context", "answers", "starts", "ends")
    inputs: Sequence[str] = ("question", "context")

    def __init__(self, tokenizer: TextTokenizer, *, writes_on: bool, stride: int) -> None:
        """See `Prompter`."""
        self.answering: Mapping[str, Any] = {"stride": stride}
        self._prompter = Prompter(tokenizer, writes_on=writes_on, stride=stride)
        self._writes_on = writes_on
        self.schema = token_schema(listed_labels=True)

    def encode(self, rows: Mapping[str, Sequence[Any]], counts: dict[str, int]) -> pa.RecordBatch:
        """Return the windows of some questions.

        A decoder's rows end with the answer, and their labels are as many as their tokens; an
        encoder-decoder's are the prompt, and their labels the answer. Of several gold answers in a window the
        first is learnt. Counts as `SpanEncoder.encode`; unreachable is what is in no window, or takes more
        tokens than an answer may have.
        """
        prompts = self._prompter.prompts(rows["question"], rows["context"], counts=counts)
        nothing = self._prompter.target(NO_ANSWER) or [self._prompter.stop_ids[0]]
        of: list[list[Prompt]] = [[] for _ in rows["id"]]
        for prompt in prompts:
            of[prompt.example].append(prompt)
        input_ids, labels = [], []
        for example, windows in enumerate(of):
            golds = [
                (start, end, self._prompter.target(answer))
                for answer, start, end in zip(
                    rows["answers"][example], rows["starts"][example], rows["ends"][example], strict=True
                )
            ]
            _count(windows, golds, counts)
            for window in windows:
                learnt = next(
                    (ids for start, end, ids in golds if ids and _holds(window, start, end)), nothing
                )
                if self._writes_on:
                    input_ids.append([*window.ids, *learnt])
                    labels.append([*[IGNORED] * len(window.ids), *learnt])
                else:
                    input_ids.append(window.ids)
                    labels.append(learnt)
        columns = {"id": [rows["id"][prompt.example] for prompt in prompts], "input_ids": input_ids}
        columns["labels"] = labels
        return pa.record_batch(
            [pa.array(columns[field.name], field.type) for field in self.schema], schema=self.schema
        )


def _holds(window: Prompt, start: int, end: int) -> bool:
    return 0 <= window.start <= start and end <= window.end and start >= 0


def _count(
    windows: Sequence[Prompt], golds: Sequence[tuple[int, int, list[int] | None]], counts: dict[str, int]
) -> None:
    reachable = sum(
        ids is not None and any(_holds(window, start, end) for window in windows) for start, end, ids in golds
    )
    for name, number in (
        ("answers", len(golds)),
        ("unreachable", len(golds) - reachable),
        ("unreachable_questions", int(bool(golds) and not reachable)),
    ):
        counts[name] = counts.get(name, 0) + number
