"""Scores by kind of question: with and without an answer, by question word, by the length of its answer."""

from collections.abc import Iterable, Sequence

import numpy as np

from tritune.metrics.answers import AnswerScore

QUESTION_WORDS = ("what", "who", "when", "where", "which", "why", "how")
OTHER = "other"
LENGTHS = ((1, "1 word"), (3, "2 to 3 words"), (6, "4 to 6 words"), (10**9, "7 words or more"))
"""Up to how many words, and what it is called."""

HAS_ANSWER, NO_ANSWER = "has an answer", "has none"

GroupRow = tuple[str, str, int, float, float]
"""By what, group, questions, exact match, F1."""


def group_rows(
    questions: Sequence[str], golds: Sequence[Sequence[str]], scored: Sequence[AnswerScore]
) -> list[GroupRow]:
    """Return the mean scores of every group that has a question, in a fixed order."""
    exact = np.array([score.exact_match for score in scored])
    f1 = np.array([score.f1 for score in scored])
    kinds: list[tuple[str, Iterable[str], list[str]]] = [
        ("answer", (HAS_ANSWER, NO_ANSWER), [HAS_ANSWER if gold else NO_ANSWER for gold in golds]),
        ("question word", (*QUESTION_WORDS, OTHER), [question_word(question) for question in questions]),
        (
            "answer length",
            (*(name for _, name in LENGTHS), NO_ANSWER),
            [answer_length(gold) for gold in golds],
        ),
    ]
    rows = []
    for by, groups, of in kinds:
        belongs = np.array(of, dtype=object)
        for group in groups:
            inside = belongs == group
            if inside.any():
                rows.append(
                    (by, group, int(inside.sum()), float(exact[inside].mean()), float(f1[inside].mean()))
                )
    return rows


def question_word(question: str) -> str:
    """Return the first English question word of a question, `other` where it has none."""
    for word in question.lower().replace("'", " ").split():
        if word.strip('?,.:;!"()') in QUESTION_WORDS:
            return word.strip('?,.:;!"()')
    return OTHER


def answer_length(golds: Sequence[str]) -> str:
    """Return the class of length of the shortest gold answer."""
    if not golds:
        return NO_ANSWER
    words = min(len(gold.split()) for gold in golds)
    return next(name for most, name in LENGTHS if words <= most)
