"""A writing model's answers: one per window, of which the surest that is not "no answer" counts."""

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np

from tritune.generation import Written, write
from tritune.metrics.answers import normalised_answer
from tritune.question_answering.gold import Gold
from tritune.question_answering.prompts import NO_ANSWER
from tritune.question_answering.span_answers import Answer
from tritune.tokens import IGNORED, TokenTable

MAX_NEW_TOKENS = "max_new_tokens"
"""What the setting of that name is called in `decided.json`."""


def all_answers(
    gold: Gold, model: Any, tokenizer: Any, *, pad_token_id: int, max_new_tokens: int
) -> list[Answer]:
    """Return what the model writes to each question of a split."""
    table = gold.tokens
    prompts = [
        prompt_of(table, row, writes_on=not model.config.is_encoder_decoder) for row in range(table.rows)
    ]
    written = write(
        model,
        tokenizer,
        prompts,
        stop_ids=sorted({int(table.row_labels(row)[-1]) for row in range(table.rows)}),
        pad_token_id=pad_token_id,
        max_new_tokens=max_new_tokens,
    )
    return [
        surest(written[first:after])
        for first, after in zip(gold.first_rows[:-1], gold.first_rows[1:], strict=True)
    ]


def prompt_of(table: TokenTable, row: int, *, writes_on: bool) -> list[int]:
    """Return a row's tokens up to where the model begins to write."""
    ids = table.row(row)
    if writes_on:
        ids = ids[: int(np.argmax(table.row_labels(row) != IGNORED))]
    return [int(token) for token in ids]


def surest(windows: Sequence[Written]) -> Answer:
    """Return the answer with the highest mean log probability; "no answer" only where every window says
    so."""
    answers = [one for one in windows if not says_nothing(one.text)]
    best = max(answers or windows, key=lambda one: one.mean_log_probability)
    return Answer(
        text=best.text.strip() if answers else "",
        start=None,
        end=None,
        score=best.mean_log_probability,
        probability=exp(best.mean_log_probability),
    )


def says_nothing(text: str) -> bool:
    """Tell whether a written answer says that there is none."""
    return normalised_answer(text) in ("", NO_ANSWER)
