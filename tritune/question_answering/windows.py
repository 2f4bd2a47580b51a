"""Question and context as rows of tokens: a context that is too long becomes windows that overlap.

Each window is the whole question with a stretch of the context, as in transformers' question-answering
example.
Where we differ from it: offsets lose white space at their ends, a character of several tokens (an emoji in
byte-level BPE) is found whole, and a question that would leave the context no room is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import combining

import numpy as np

from tritune.errors import InputError
from tritune.tokenizing import TextTokenizer

OUTSIDE = -1
"""Offset of a token that is not of the context."""


@dataclass(frozen=True)
class Window:
    """One row for the model."""

    example: int
    """Which of the given questions it belongs to; windows of one are neighbours, from left to right."""

    input_ids: list[int]
    type_ids: list[int]
    """0 for the first and 1 for the second text, where the tokenizer tells them apart."""

    starts: np.ndarray
    """[tokens] int32: the context's character at which a token begins; `OUTSIDE` for tokens of anything
    else."""

    ends: np.ndarray
    """[tokens] int32: one past its last character. Not before `starts`, and the same where it has no
    letter."""

    no_answer: int
    """Position that says "no answer here": the CLS token, or the first one where a tokenizer has none."""


class Windower:
    """Cuts for one tokenizer."""

    def __init__(self, tokenizer: TextTokenizer, *, stride: int) -> None:
        """Check that the setting leaves room.

        Args:
            tokenizer: Of the base model, with the number of tokens a row may have.
            stride: Tokens of the context that neighbouring windows share, 0 or more.

        Raises:
            InputError: A window would not hold more of the context than it shares with the next.
        """
        self._tokenizer = tokenizer.tokenizer
        self._max_length = tokenizer.max_length
        self._stride = stride
        special = self._tokenizer.num_special_tokens_to_add(pair=True)
        room = tokenizer.max_length - special
        self._question_limit = min(room // 2, room - stride - 1)
        if self._question_limit < 1:
            raise InputError(
                f"tokenize.stride: {stride} leaves no room for a question: rows have {tokenizer.max_length} "
                f"tokens, {special} of them special; set it to {max(room - 2, 0)} or less, or raise "
                "tokenize.max_length"
            )

    def windows(
        self, questions: Sequence[str], contexts: Sequence[str], *, counts: dict[str, int] | None = None
    ) -> list[Window]:
        """Return the windows of some questions, in their order; every question has at least one.

        Args:
            questions: None empty.
            contexts: One each; may be empty.
            counts: `questions_cut` rises by each question that took more than half of a row and lost its end.
        """
        if not questions:
            return []
        cut = self._shortened(questions)
        if counts is not None:
            counts["questions_cut"] = counts.get("questions_cut", 0) + sum(
                short != question for short, question in zip(cut, questions, strict=True)
            )
        batch = self._tokenizer(
            cut,
            list(contexts),
            truncation="only_second",
            max_length=self._max_length,
            stride=self._stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=False,
            return_attention_mask=False,
            padding=False,
        )
        owners = batch["overflow_to_sample_mapping"]
        return [
            self._window(encoding, example, contexts[example])
            for encoding, example in zip(batch.encodings, owners, strict=True)
        ]

    def _window(self, encoding: Any, example: int, context: str) -> Window:
        inside = np.array([part == 1 for part in encoding.sequence_ids], dtype=bool)
        offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
        starts, ends = offsets[:, 0].copy(), offsets[:, 1].copy()
        for position in np.flatnonzero(inside):
            starts[position], ends[position] = _trimmed(context, int(starts[position]), int(ends[position]))
        starts[~inside] = ends[~inside] = OUTSIDE
        return Window(
            example=example,
            input_ids=encoding.ids,
            type_ids=encoding.type_ids,
            starts=starts,
            ends=ends,
            no_answer=self._no_answer(encoding.ids),
        )

    def _no_answer(self, ids: Sequence[int]) -> int:
        for token in (self._tokenizer.cls_token_id, self._tokenizer.bos_token_id):
            if token is not None and token in ids:
                return ids.index(token)
        return 0

    def _shortened(self, questions: Sequence[str]) -> list[str]:
        """Return each question, or its longest start that leaves half of a row's room to the context."""
        whole = list(questions)
        for index, offsets in enumerate(self._offsets(whole)):
            while len(offsets) > self._question_limit:
                end = offsets[self._question_limit - 1][1]
                whole[index] = whole[index][: min(end, len(whole[index]) - 1)]
                offsets = self._offsets([whole[index]])[0]
        return whole

    def _offsets(self, texts: list[str]) -> Sequence[Sequence[tuple[int, int]]]:
        batch = self._tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        return batch["offset_mapping"]  # type: ignore[no-any-return]


def _trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """Return a token's characters without white space at their ends, and with the accents that belong to
    them.

    A tokenizer that cuts accents off, as BERT's do, leaves combining characters out of its offsets: an answer
    would lose the accent of its last letter.
    """
    while start < end and context[start].isspace():
        start += 1
    while start < end and context[end - 1].isspace():
        end -= 1
    while start < end < len(context) and combining(context[end]):
        end += 1
    return start, end


def answer_tokens(window: Window, start: int, end: int) -> tuple[int, int] | None:
    """Return the first and last token (inclusive) that hold any of the context's characters start to end.

    None if no token of the window does.
    """
    holds = np.flatnonzero((window.ends > start) & (window.starts < end) & (window.starts < window.ends))
    return None if len(holds) == 0 else (int(holds[0]), int(holds[-1]))


def whole_answer(windows: Sequence[Window], start: int, end: int) -> list[tuple[int, int] | None]:
    """Return for each window of one question the answer's tokens, or None where it does not hold all of it.

    All of it: no other window has a token that holds more of it. (Characters that the tokenizer drops can't
    be asked for.)
    """
    found = [answer_tokens(window, start, end) for window in windows]
    places = [
        None if span is None else (int(window.starts[span[0]]), int(window.ends[span[1]]))
        for window, span in zip(windows, found, strict=True)
    ]
    there = [place for place in places if place is not None]
    if not there:
        return [None] * len(windows)
    first, last = min(place[0] for place in there), max(place[1] for place in there)
    return [span if place == (first, last) else None for span, place in zip(found, places, strict=True)]
