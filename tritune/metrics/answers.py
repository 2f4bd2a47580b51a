"""Exact match and F1 of an answer's words, by the rules of the official SQuAD evaluation scripts.

Sources: `evaluate-v1.1.py` of Rajpurkar et al. 2016 (https://arxiv.org/abs/1606.05250) and `evaluate-v2.0.py`
of Rajpurkar et al. 2018 (https://arxiv.org/abs/1806.03822), both at
https://rajpurkar.github.io/SQuAD-explorer/. They differ where nothing is left of an answer once articles and
punctuation are gone, and in what "no answer" is worth.
Where we differ from them: shares in [0, 1], not percentages.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

Rules = Literal["v1.1", "v2"]

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = frozenset(string.punctuation)
"""ASCII only, as in the scripts: a typographic quotation mark counts as part of its word."""


class AnswerScore(NamedTuple):
    """Of one question, both in [0, 1]."""

    exact_match: float
    """1 if the normalised answer is one of the normalised gold answers, else 0."""

    f1: float
    """Of the words, counted with their repetitions; against the gold answer that gives most."""


def rules_for(golds: Sequence[Sequence[str]]) -> Rules:
    """Return which script scores a split: v2's as soon as one question has no answer.

    Args:
        golds: The gold answers of every question of the split.
    """
    return "v1.1" if all(golds) else "v2"


def answer_score(predicted: str, golds: Sequence[str], *, rules: Rules) -> AnswerScore:
    """Score one answer against its gold answers.

    Args:
        predicted: The answer's text; empty says that there is none.
        golds: Gold answers. None at all: the question can't be answered from its context, and only the
            empty text is right.
        rules: Whose. By v1.1 a question without a gold answer scores 0 whatever is said.
    """
    if rules == "v2":
        golds = [gold for gold in golds if normalised_answer(gold)] or [""]
    if not golds:
        return AnswerScore(0.0, 0.0)
    said = normalised_answer(predicted)
    wanted = [normalised_answer(gold) for gold in golds]
    return AnswerScore(
        exact_match=float(said in wanted),
        f1=max(_f1(said.split(), words.split(), rules=rules) for words in wanted),
    )


def normalised_answer(text: str) -> str:
    """Return a text in lower case, without ASCII punctuation and English articles, single spaces between
    words.

    In this order: `U.S.` becomes `us`, and `the-end` becomes `theend`, whose article stays.
    """
    bare = "".join(character for character in text.lower() if character not in PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", bare).split())


def _f1(said: Sequence[str], wanted: Sequence[str], *, rules: Rules) -> float:
    if rules == "v2" and not (said and wanted):
        return float(said == wanted)
    shared = sum((Counter(said) & Counter(wanted)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
