"""Answers scored as the official SQuAD scripts do, and the files that the stage `evaluate` keeps.

Every question of the raw file counts, whatever became of it on the way. A split with questions that have no
answer is scored by the rules of SQuAD v2, any other by those of v1.1. How sure "no answer" has to be is set
on the validation split alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tritune.metrics.answers import AnswerScore
from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.objectives import spans
from tritune.objectives.named import objective_named
from tritune.outputs import Outputs
from tritune.question_answering.gold import Gold, read_gold
from tritune.question_answering.groups import group_rows
from tritune.question_answering.span_answers import (
    THRESHOLD,
    Answer,
    all_candidates,
    chosen_answer,
    tuned_threshold,
)
from tritune.question_answering.span_search import Candidates
from tritune.question_answering.written_answers import MAX_NEW_TOKENS, all_answers
from tritune.task.contract import Evaluation, EvaluationRun, Guess, Scorer, Split
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import TokensInfo, TokenTable

PREDICTIONS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("answers", pa.list_(pa.string()), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("exact_match", pa.float32(), nullable=False),
        pa.field("f1", pa.float32(), nullable=False),
    ]
)
"""`predicted` is empty and `start` and `end` are missing where the model says that there is no answer."""


def scorer(split: Split, info: TokensInfo) -> Scorer:
    """Return the function that scores a model's outputs on this split.

    The threshold of "no answer" is set on the split itself. Written answers take too long to be scored here.
    """
    gold = read_gold(split)
    if info.objective != "spans":
        loss = objective_named(info.objective).mean_loss
        return lambda outputs: {NEGATIVE_LOG_LIKELIHOOD: loss(outputs, gold.tokens)}

    def score(outputs: Outputs) -> Mapping[str, float]:
        found = all_candidates(split, gold, outputs)
        answers = _chosen(found, gold, threshold=tuned_threshold(found, gold))
        return _means(_scored(gold, answers), loss=spans.mean_loss(outputs, gold.tokens))

    return score


def guess(
    training: TokenTable,  # noqa: ARG001
    validation: TokenTable,  # noqa: ARG001
    info: TokensInfo,  # noqa: ARG001
    *,
    label_smoothing: float,  # noqa: ARG001
) -> Guess | None:
    """Return None: what a model scores that does not look at the question can't be told without one."""
    return None


def evaluate(run: EvaluationRun, splits: Sequence[Split]) -> Evaluation:
    """Answer every question of every split once, and score the answers.

    Predictions: see `PREDICTIONS`. Tables: scores by kind of question, `groups.csv`. Decided: the threshold
    of "no answer", null where every question has an answer; or, for written answers, how long they may be.
    """
    golds = {split.name: read_gold(split) for split in splits}
    decided: dict[str, Any] = {}
    if run.info.objective == "spans":
        found = {split.name: all_candidates(split, golds[split.name], run.outputs(split)) for split in splits}
        threshold = tuned_threshold(found["validation"], golds["validation"])
        decided[THRESHOLD] = threshold
        answers = {name: _chosen(found[name], gold, threshold=threshold) for name, gold in golds.items()}
    else:
        decided[MAX_NEW_TOKENS] = run.generate.max_new_tokens
        tokenizer = load_tokenizer(run.folder, max_length=NO_LIMIT)
        answers = {
            name: all_answers(
                gold,
                run.model,
                tokenizer.tokenizer,
                pad_token_id=run.info.pad_token_id,
                max_new_tokens=run.generate.max_new_tokens,
            )
            for name, gold in golds.items()
        }
    scored = {name: _scored(gold, answers[name]) for name, gold in golds.items()}
    groups = [
        (name, *row)
        for name, gold in golds.items()
        for row in group_rows(gold.questions, gold.answers, scored[name])
    ]
    return Evaluation(
        scores={split.name: _means(scored[split.name], loss=run.mean_loss(split)) for split in splits},
        predictions=pa.concat_tables(
            [prediction_table(name, gold, answers[name], scored[name]) for name, gold in golds.items()]
        ),
        tables={"groups.csv": (("split", "by", "group", "questions", "exact_match", "f1"), groups)},
        decided=decided,
    )


def prediction_table(
    split: str, gold: Gold, answers: Sequence[Answer], scored: Sequence[AnswerScore]
) -> pa.Table:
    """Return one row per question, in the order of the raw file."""
    columns = {
        "split": [split] * len(gold.ids),
        "id": gold.ids,
        "question": gold.questions,
        "answers": gold.answers,
        "predicted": [answer.text for answer in answers],
        "start": [answer.start for answer in answers],
        "end": [answer.end for answer in answers],
        "score": [answer.score for answer in answers],
        "probability": [answer.probability for answer in answers],
        "exact_match": [score.exact_match for score in scored],
        "f1": [score.f1 for score in scored],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in PREDICTIONS], schema=PREDICTIONS)


def _chosen(found: Sequence[Candidates], gold: Gold, *, threshold: float | None) -> list[Answer]:
    return [
        chosen_answer(one, context, threshold=threshold)
        for one, context in zip(found, gold.contexts, strict=True)
    ]


def _scored(gold: Gold, answers: Sequence[Answer]) -> list[AnswerScore]:
    return gold.scores([answer.text for answer in answers])


def _means(scored: Sequence[AnswerScore], *, loss: float) -> dict[str, float]:
    return {
        "answer_f1": float(np.mean([score.f1 for score in scored])),
        "exact_match": float(np.mean([score.exact_match for score in scored])),
        NEGATIVE_LOG_LIKELIHOOD: loss,
    }
