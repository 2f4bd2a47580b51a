"""A pointing model's outputs as answers: the best span of all windows, or "no answer"."""

from collections.abc import Sequence
from typing import NamedTuple

from tritune.metrics.answers import answer_score
from tritune.outputs import Outputs
from tritune.question_answering.gold import Gold
from tritune.question_answering.null_threshold import best_threshold
from tritune.question_answering.span_search import Candidates, WindowScores, candidates
from tritune.task.contract import Split
from tritune.tokens import read_column

THRESHOLD = "no_answer_threshold"
"""What `tuned_threshold` gave is called in `decided.json`."""


class Answer(NamedTuple):
    """What a model says to one question."""

    text: str
    """Empty: it says that the context has no answer."""

    start: int | None
    """First character in the context, from 0; None where there is no answer, or where it was written
    freely."""

    end: int | None
    """One past the last character."""

    score: float
    """What the answer was chosen by; higher is surer. A span's is the sum of two logits, a written answer's
    the mean log probability of its tokens."""

    probability: float
    """In [0, 1]: its share among the candidates."""


def all_candidates(split: Split, gold: Gold, outputs: Outputs) -> list[Candidates]:
    """Return the candidates for each question of a split."""
    starts, ends = read_column(split.tokens, "starts"), read_column(split.tokens, "ends")
    no_answer = read_column(split.tokens, "no_answer")
    offsets = gold.tokens.offsets
    windows = [
        WindowScores(
            logits=outputs.row(row),
            starts=starts[offsets[row] : offsets[row + 1]],
            ends=ends[offsets[row] : offsets[row + 1]],
            no_answer=int(no_answer[row]),
        )
        for row in range(gold.tokens.rows)
    ]
    return [
        candidates(windows[first:after])
        for first, after in zip(gold.first_rows[:-1], gold.first_rows[1:], strict=True)
    ]


def chosen_answer(found: Candidates, context: str, *, threshold: float | None) -> Answer:
    """Return the best span, or "no answer" where it leads by more than the threshold, or where there is no
    span.

    Args:
        found: The candidates of one question.
        context: Its context.
        threshold: See `best_threshold`; None: every question has an answer.
    """
    shares, null_share = found.probabilities(with_null=threshold is not None)
    if not found.spans or (threshold is not None and found.null_lead > threshold):
        return Answer("", None, None, found.null_score, null_share)
    best = found.spans[0]
    return Answer(context[best.start : best.end], best.start, best.end, best.score, shares[0])


def tuned_threshold(found: Sequence[Candidates], gold: Gold) -> float | None:
    """Return the threshold that gives this split the highest F1; None where every question has an answer."""
    if all(gold.answers):
        return None
    answered, unanswered = [], []
    for one, context, answers in zip(found, gold.contexts, gold.answers, strict=True):
        text = context[one.spans[0].start : one.spans[0].end] if one.spans else ""
        answered.append(answer_score(text, answers, rules=gold.rules).f1)
        unanswered.append(answer_score("", answers, rules=gold.rules).f1)
    return best_threshold([one.null_lead for one in found], answered, unanswered)
