"""The learning rate over the course of a training, as a share of its peak.

Source: the linear and cosine schedules of transformers' optimization.py. Where we differ: the warm-up starts
one step up, so that no step is taken at rate 0.

What begins to learn later has a schedule of its own over the steps that are left, with a warm-up: its first
steps rest on hardly any gradients, as the first steps of a training do. All rates reach 0 together.
"""

import math
from typing import Literal

Schedule = Literal["linear", "cosine"]


def first_step(start: float, *, total_steps: int) -> int:
    """Return the step at which something begins that is to begin at a share of a training.

    Rounded to the nearest; whatever begins has at least the last step.

    Args:
        start: in [0, 1).
        total_steps: of the whole training, 1 or more.
    """
    return min(round(start * total_steps), total_steps - 1)


def share_since(
    step: int, *, begins: int, total_steps: int, warmup_fraction: float, schedule: Schedule
) -> float:
    """Return the factor of the peak learning rate, in [0, 1], of what begins to learn at a step; 0 before.

    Args:
        step: from 0 to `total_steps` - 1.
        begins: as `step`.
        total_steps: of the whole training, 1 or more.
        warmup_fraction: in [0, 1); of the steps from `begins` on.
        schedule: as in `rate_share`.
    """
    if step < begins:
        return 0.0
    left = total_steps - begins
    warmup = warmup_steps(left, warmup_fraction=warmup_fraction)
    return rate_share(step - begins, total_steps=left, warmup=warmup, schedule=schedule)


def warmup_steps(total_steps: int, *, warmup_fraction: float) -> int:
    """Return how many of the steps belong to the warm-up: rounded up, at least one step is left over.

    Args:
        total_steps: 1 or more.
        warmup_fraction: in [0, 1).
    """
    return min(math.ceil(total_steps * warmup_fraction), total_steps - 1)


def rate_share(step: int, *, total_steps: int, warmup: int, schedule: Schedule) -> float:
    """Return the factor of the peak learning rate at one optimizer step, in (0, 1].

    With a warm-up of W steps it is 1 / (W + 1) at step 0, 1 at step W, and falls towards 0, which it would
    reach one step after the last.

    Args:
        step: from 0 to `total_steps` - 1.
        total_steps: of the whole training, 1 or more.
        warmup: its first steps, from 0 to `total_steps` - 1.
        schedule: linear falls by the same amount at each step, cosine slowly at both ends.

    Raises:
        ValueError: `step` lies outside the training.
    """
    if not 0 <= step < total_steps:
        raise ValueError(f"step {step} is outside of a training of {total_steps} steps")
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / (total_steps - warmup)
    if schedule == "linear":
        return 1.0 - done
    return 0.5 * (1.0 + math.cos(math.pi * done))
