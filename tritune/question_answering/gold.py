"""A split's questions as ingested, with the rows of its token table that belong to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from tritune.errors import InputError
from tritune.metrics.answers import AnswerScore, Rules, answer_score, rules_for
from tritune.task.contract import Split
from tritune.tokens import TokenTable, read_tokens


@dataclass(frozen=True)
class Gold:
    """Every question of the raw file, in its order: the denominator of every score."""

    ids: Sequence[str]
    questions: Sequence[str]
    contexts: Sequence[str]
    answers: Sequence[Sequence[str]]
    """Gold answers of each question; none where its context has no answer."""

    tokens: TokenTable
    first_rows: np.ndarray
    """[questions + 1] int64: question i has the token table's rows `first_rows[i]` to `first_rows[i + 1]`."""

    @cached_property
    def rules(self) -> Rules:
        """Whose evaluation script scores this split."""
        return rules_for(self.answers)

    def scores(self, predicted: Sequence[str]) -> list[AnswerScore]:
        """Score one answer per question."""
        return [
            answer_score(text, golds, rules=self.rules)
            for text, golds in zip(predicted, self.answers, strict=True)
        ]


def read_gold(split: Split) -> Gold:
    """Return a split's questions.

    Raises:
        InputError: The token table is not of these questions.
    """
    rows = pq.read_table(split.gold, columns=["id", "question", "context", "answers"]).to_pydict()
    tokens = read_tokens(split.tokens)
    row_ids = np.array(tokens.row_ids.to_pylist(), dtype=object)
    changes = np.flatnonzero(row_ids[1:] != row_ids[:-1]) + 1
    begins = np.concatenate([[0], changes]).astype(np.int64) if len(row_ids) else np.zeros(0, dtype=np.int64)
    if row_ids[begins].tolist() != rows["id"]:
        raise InputError(
            f"{split.tokens} is not made of {split.gold}: their questions differ; run `dvc repro tokenize`"
        )
    return Gold(
        ids=rows["id"],
        questions=rows["question"],
        contexts=rows["context"],
        answers=rows["answers"],
        tokens=tokens,
        first_rows=np.append(begins, len(row_ids)),
    )
