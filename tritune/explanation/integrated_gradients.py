"""How much of a score each token's vector accounts for, relative to a row in which words say nothing.

Source: Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, by captum. The attributions of all tokens
add up to the difference of the two scores but for the error of a sum that stands for an integral, so steps
are raised until that error is small. Where we differ from captum's `LayerIntegratedGradients`: the embedding
is replaced by `tritune.explanation.replaced_embeddings`, because encoder and decoder may share its matrix.
"""

from dataclasses import dataclass
from typing import Any

import torch

from tritune.explanation.asked import Asked
from tritune.explanation.replaced_embeddings import run_with

STEPS = (16, 32, 64, 128, 256, 512)
"""Points on the way from the baseline to the input, as many as needed."""

LARGEST_ERROR = 0.05
"""Of the difference of the two scores, at most, for the attributions to count as complete."""


@dataclass(frozen=True)
class Attribution:
    """What a score is made of."""

    tokens: torch.Tensor
    """[n] float64, in the unit of the score; 0 where input and baseline have the same vector."""

    score: float
    baseline_score: float
    steps: int
    error: float
    """What the attributions miss of the difference of the scores, as a share of it, 0 or more; infinite where
    there is no difference."""

    @property
    def complete(self) -> bool:
        """Whether they add up to the difference, nearly."""
        return self.error <= LARGEST_ERROR


def attribute(
    model: Any, asked: Asked, vectors: torch.Tensor, baseline: torch.Tensor, *, rows_at_once: int
) -> Attribution:
    """Return what `asked.score` owes to each token.

    Args:
        model: In evaluation mode.
        vectors: [1, n, width], the embeddings of the row.
        baseline: [1, n, width], in which the words say nothing.
        rows_at_once: Points of the way that the model is run on together; changes rounding only.
    """
    from captum.attr import IntegratedGradients  # a second of import

    def score(rows: torch.Tensor) -> torch.Tensor:
        return asked.score(run_with(model, asked.inputs, rows)).double()

    with torch.no_grad():
        whole, empty = (float(score(rows)) for rows in (vectors, baseline))
    difference = whole - empty
    integrated = IntegratedGradients(score)
    for steps in STEPS:
        found = integrated.attribute(
            vectors, baselines=baseline, n_steps=steps, internal_batch_size=rows_at_once
        )
        tokens = found[0].detach().double().sum(dim=-1).cpu()
        missing = abs(float(tokens.sum()) - difference)
        error = missing / abs(difference) if difference else float("inf")
        if error <= LARGEST_ERROR:
            break
    return Attribution(tokens, whole, empty, steps, error)
