"""The likeliest spans of a question's windows, and how sure the model is that there is none.

After `postprocess_qa_predictions` of transformers' question-answering example. Where we differ: every span of
at most `MAX_ANSWER_TOKENS` tokens is looked at, where theirs tries the 20 best starts with the 20 best ends
only; and a span that several windows hold is one candidate, with its best score.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tritune.question_answering.windows import OUTSIDE

MAX_ANSWER_TOKENS = 30
"""Longest answer that is looked for, as in the example's `max_answer_length`."""

BEST_SPANS = 20
"""Candidates kept for a question, as in the example's `n_best_size`; probabilities are shares among them."""


@dataclass(frozen=True)
class WindowScores:
    """What a model gives for one window."""

    logits: np.ndarray
    """[tokens, 2] float32: of being an answer's first token, and its last."""

    starts: np.ndarray
    """[tokens] int32, see `Window.starts`."""

    ends: np.ndarray
    """[tokens] int32."""

    no_answer: int
    """Position whose logits say that the window holds no answer."""


@dataclass(frozen=True)
class Span:
    """A candidate."""

    start: int
    """Character of the context, from 0."""

    end: int
    """One past its last character."""

    score: float
    """Logit of its first token plus that of its last."""


@dataclass(frozen=True)
class Candidates:
    """What a model could answer to one question."""

    spans: Sequence[Span]
    """At most `BEST_SPANS`, the best first; none where the context has no token."""

    null_score: float
    """As `Span.score`, for "no answer": the lowest of the windows', since one that holds the answer is
    enough."""

    @property
    def null_lead(self) -> float:
        """By how much "no answer" is ahead of the best span; infinite where there is no span."""
        return self.null_score - self.spans[0].score if self.spans else float("inf")

    def probabilities(self, *, with_null: bool) -> tuple[list[float], float]:
        """Return the spans' shares and that of "no answer", by softmax over the candidates; they sum to 1.

        Args:
            with_null: Whether "no answer" is a candidate. Without a span it always is.
        """
        scores = np.array([span.score for span in self.spans], dtype=np.float64)
        if with_null or not self.spans:
            scores = np.append(scores, self.null_score)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return shares[: len(self.spans)].tolist(), float(shares[len(self.spans) :].sum())


def candidates(windows: Sequence[WindowScores]) -> Candidates:
    """Return the best spans over all windows of one question, 1 or more."""
    best: dict[tuple[int, int], float] = {}
    for window in windows:
        for first, last, score in best_pairs(window.logits, window.starts != OUTSIDE):
            # Tokens without a letter, and a white space that a tokenizer keeps, make no answer.
            where = (int(window.starts[first]), int(window.ends[last]))
            if where[0] < where[1]:
                best[where] = max(score, best.get(where, -np.inf))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:BEST_SPANS]
    return Candidates(
        spans=[Span(start, end, score) for (start, end), score in ranked],
        null_score=min(float(window.logits[window.no_answer].sum()) for window in windows),
    )


def best_pairs(logits: np.ndarray, inside: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Yield (first token, last token, score) of the `BEST_SPANS` likeliest spans of one window, in no order.

    Args:
        logits: [tokens, 2].
        inside: [tokens] bool: whether a token is of the context. They are one stretch.
    """
    positions = np.flatnonzero(inside)
    count = len(positions)
    if count == 0:
        return
    start, end = logits[positions, 0].astype(np.float64), logits[positions, 1].astype(np.float64)
    longest = min(MAX_ANSWER_TOKENS, count)
    # Row i, column d: the span from token i to token i + d.
    padded = np.concatenate([end, np.full(longest - 1, -np.inf)])
    scores = start[:, None] + np.lib.stride_tricks.sliding_window_view(padded, longest)
    flat = scores.reshape(-1)
    wanted = min(BEST_SPANS, len(flat))
    for place in np.argpartition(-flat, wanted - 1)[:wanted]:
        if np.isfinite(flat[place]):
            first, further = divmod(int(place), longest)
            yield int(positions[first]), int(positions[first + further]), float(flat[place])
