import itertools

import numpy as np
import pytest

from tritune.question_answering.span_search import (
    BEST_SPANS,
    MAX_ANSWER_TOKENS,
    Candidates,
    Span,
    WindowScores,
    best_pairs,
    candidates,
)


def window(start, end, *, question: int = 1, first: int = 0) -> WindowScores:
    """A window whose context has one-letter tokens from the character `first` on."""
    tokens = len(start)
    starts = np.full(tokens, -1, dtype=np.int32)
    starts[question:] = np.arange(first, first + tokens - question)
    ends = np.where(starts < 0, -1, starts + 1).astype(np.int32)
    return WindowScores(np.array([start, end], dtype=np.float32).T, starts, ends, no_answer=0)


def test_by_hand():
    found = candidates([window([5, 1, 4, 0], [5, 3, 0, 2])])
    assert found.null_score == 10
    assert [(span.start, span.end, span.score) for span in found.spans] == [
        (1, 3, 6),  # 4 + 2
        (0, 1, 4),
        (1, 2, 4),
        (0, 3, 3),
        (2, 3, 2),
        (0, 2, 1),
    ]
    assert found.null_lead == 4


def test_nothing_outside_the_context_is_an_answer():
    found = candidates([window([99, 99, 0, 1], [99, 99, 0, 1], question=2)])
    assert {(span.start, span.end) for span in found.spans} == {(0, 1), (0, 2), (1, 2)}


def test_a_span_in_two_windows_is_one_candidate_with_its_best_score():
    windows = [window([0, 1, 1], [0, 1, 1]), window([-1, 3, 0], [0, 3, 0], first=1)]
    found = candidates(windows)
    assert [(s.start, s.end, s.score) for s in found.spans] == [
        (1, 2, 6), (1, 3, 3), (0, 1, 2), (0, 2, 2), (2, 3, 0),
    ]  # fmt: skip
    assert found.null_score == -1  # of the window that is least sure of having none


def test_the_search_is_exact():
    draw = np.random.RandomState(3)
    tokens = 60
    logits = draw.randn(tokens, 2).astype(np.float32)
    inside = np.zeros(tokens, dtype=bool)
    inside[7:-1] = True
    expected = sorted(
        (float(logits[i, 0].astype(np.float64) + logits[j, 1]), i, j)
        for i, j in itertools.product(np.flatnonzero(inside), repeat=2)
        if 0 <= j - i < MAX_ANSWER_TOKENS
    )[::-1][:BEST_SPANS]
    found = sorted(((score, i, j) for i, j, score in best_pairs(logits, inside)), reverse=True)
    assert [(i, j) for _, i, j in found] == [(i, j) for _, i, j in expected]


def test_a_context_without_tokens_has_no_answer():
    found = candidates([window([1, 2], [1, 2], question=2)])
    assert found.spans == []
    assert found.null_lead == float("inf")
    assert found.probabilities(with_null=False) == ([], 1.0)


def test_probabilities_are_shares_among_the_candidates():
    found = Candidates([Span(0, 1, np.log(3)), Span(1, 2, np.log(1))], null_score=np.log(4))
    spans, null = found.probabilities(with_null=True)
    assert spans == pytest.approx([3 / 8, 1 / 8])
    assert null == pytest.approx(1 / 2)
    spans, null = found.probabilities(with_null=False)
    assert spans == pytest.approx([3 / 4, 1 / 4])
    assert null == 0
