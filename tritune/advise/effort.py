"""How long a training on few examples takes: the epochs of the whole split would be too few steps.

Three epochs over 300 examples are 30 steps, in which nothing is learnt but that there is little to learn
from. A smaller sample is therefore passed over more often, until it has as many optimizer steps as the whole
split has, but at most 20 times, or as often as 200 steps take: Mosbach et al. 2021
(https://arxiv.org/abs/2006.04884) train 20 epochs on small sets, and Zhang et al. 2021
(https://arxiv.org/abs/2006.05987) find that what they call few-sample fine-tuning needs more steps, not
fewer. The best evaluation's weights are kept, as ever.

An evaluation costs as much as a third of a pass over as many examples, and the validation split may be larger
than the sample. So several passes go between two evaluations, and `train.patience` counts evaluations.
"""

import math
from dataclasses import dataclass

MOST_PASSES = 20
FEWEST_STEPS = 200
"""Our choice, where 20 passes are fewer steps: with less, a new head of tens of classes is hardly learnt."""

EVALUATIONS = 5
"""Of a training on a sample that is passed over more often than the epochs set; at least that many epochs."""

FORWARD_SHARE = 1 / 3
"""Of a training step's work, about: a backward pass takes about twice the forward one."""


@dataclass(frozen=True)
class Effort:
    """Of one training."""

    evaluations: int
    """At most: a training may stop early."""

    passes_each: int
    """Passes over the sample before each evaluation."""

    @property
    def passes(self) -> int:
        """In all, at most."""
        return self.evaluations * self.passes_each


def effort_for(rows: int, *, whole: int, epochs: int, batch_size: int) -> Effort:
    """Return how a sample is trained on; for the whole split, that is `epochs` passes, each evaluated.

    Args:
        rows: Of the sample, 1 or more.
        whole: Rows of the whole split.
        epochs, batch_size: As in the settings, for the whole split.
    """
    steps_of_whole, steps = epochs * math.ceil(whole / batch_size), math.ceil(rows / batch_size)
    most = max(MOST_PASSES, math.ceil(FEWEST_STEPS / steps))
    passes = max(epochs, min(most, math.ceil(steps_of_whole / steps)))
    if passes == epochs:
        return Effort(epochs, 1)
    passes_each = math.ceil(passes / max(EVALUATIONS, epochs))
    return Effort(math.ceil(passes / passes_each), passes_each)


def row_passes(rows: int, effort: Effort, *, evaluated: int, tested: int) -> float:
    """Return the work of a training without an early stop, in training passes over one row.

    Args:
        rows: Of the sample.
        evaluated: Rows of the validation split.
        tested: Rows of the validation and the test split, which the best weights answer at the end.
    """
    return effort.passes * rows + FORWARD_SHARE * (effort.evaluations * evaluated + tested)
