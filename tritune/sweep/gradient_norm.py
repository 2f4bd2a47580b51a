"""How fast each part of a model should learn, by how large its gradient is beside its weights.

Source: Lee et al. 2022, "Surgical fine-tuning improves adaptation to distribution shifts",
https://arxiv.org/abs/2210.11466, section 5.2 (Auto-RGN): a layer's rate is proportional to its relative
gradient norm ||g|| / ||w||. Where we differ:
- They take it anew every epoch; here it is taken once, from the first batches, so that a training's rates are
  known before it begins and a stopped training goes on exactly.
- They divide by the largest, so that every rate but one is lowered; here the geometric mean of the factors is
  1, so that the parts learn at the method's rate on the whole. Factors stay between 1/8 and 8.
- What is new, such as a head, keeps the method's rate: its few random numbers have a large gradient whatever
  the pretrained parts need, and none of them is known to be worth keeping.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tritune.compute import mixed_precision
from tritune.models.modes import evaluating
from tritune.objectives.objective import Objective
from tritune.plan.tuning_plan import TuningPlan
from tritune.sweep.result import GradientNorm
from tritune.tokens import TokenTable
from tritune.training.batches import collate, pieces
from tritune.training.frozen import learn_only
from tritune.training.prefix_memo import Precision

FURTHEST = 8.0
"""Factor by which a part may learn faster or more slowly than the method's rate."""


def gradient_norms(
    model: torch.nn.Module,
    plan: TuningPlan,
    table: TokenTable,
    batches: Sequence[np.ndarray],
    *,
    objective: Objective,
    precision: Precision,
    device: torch.device,
    pad_token_id: int,
) -> list[GradientNorm]:
    """Return what each part that learns has at the start of a training, lowest part first.

    Dropout is off: its noise would count as gradient. The model keeps its weights.

    Args:
        model: with the weights that trainings start from, on `device`.
        plan: which tensors learn.
        batches: row numbers of the steps that the gradient is the mean of.
    """
    learning = {name for group in plan.groups if group.lr is not None for name in group.tensors}
    learn_only(model, learning)
    lengths, items = table.lengths, objective.items(table)
    rows = np.concatenate(batches)
    terms = max(1, int(items[rows].sum()))
    with evaluating(model):
        for batch in batches:
            for piece in pieces(batch, lengths[batch], packed=table.packed):
                inputs = collate(table, piece, pad_token_id=pad_token_id).to(device)
                with mixed_precision(device, precision):
                    loss = objective.loss_sum(model, inputs, label_smoothing=0.0) / terms
                loss.backward()
    squares: dict[str, list[float]] = {}
    parameters = dict(model.named_parameters())
    for group in plan.groups:
        for name in group.tensors if group.lr is not None else ():
            parameter = parameters[name]
            sums = squares.setdefault(group.part, [0.0, 0.0])
            if parameter.grad is not None:
                sums[0] += float(parameter.grad.double().square().sum())
            sums[1] += float(parameter.detach().double().square().sum())
            parameter.grad = None
    norms = {part: (math.sqrt(g), math.sqrt(w)) for part, (g, w) in squares.items()}
    new = {group.part for group in plan.groups if set(group.tensors) & set(plan.new_tensors)}
    proposed = proposal({part: norm for part, norm in norms.items() if part not in new})
    planned = planned_factors(plan, new)
    return [
        GradientNorm(part, g, w, proposed.get(part, 1.0), planned.get(part, 1.0))
        for part, (g, w) in norms.items()
    ]


def proposal(norms: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return each part's factor of the method's rate, in [1/8, 8], their geometric mean 1 but for these ends.

    Parts without any gradient, or without weights, have none.

    Args:
        norms: of the gradient and of the weights, by the part's name.
    """
    relative = {part: g / w for part, (g, w) in norms.items() if g > 0 and w > 0}
    if not relative:
        return {}
    mean = math.exp(sum(math.log(value) for value in relative.values()) / len(relative))
    return {part: min(FURTHEST, max(1 / FURTHEST, value / mean)) for part, value in relative.items()}


def planned_factors(plan: TuningPlan, new: set[str]) -> dict[str, float]:
    """Return each part's rate in the plan beside the geometric mean of those of the parts that are not new.

    As the factors proposed have a mean of 1, the two can be compared.
    """
    rates = {group.part: group.lr for group in plan.groups if group.lr is not None and group.part not in new}
    if not rates:
        return {}
    mean = math.exp(sum(math.log(rate) for rate in rates.values()) / len(rates))
    return {part: rate / mean for part, rate in rates.items()}
