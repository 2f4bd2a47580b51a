"""A tuning plan at other rates: all of them times one factor, some parts faster or slower than others."""

from collections.abc import Mapping
from dataclasses import replace

from tritune.plan.tuning_plan import TuningPlan


def scaled(plan: TuningPlan, factor: float, *, parts: Mapping[str, float] | None = None) -> TuningPlan:
    """Return the plan with every rate multiplied, but for those that the user gave in params.yaml.

    Args:
        factor: of all rates, above 0. At 1, and without `parts`, the plan stays as it is.
        parts: further factors of single parts of the model, by their names; others keep their rate.
    """
    parts = parts or {}
    groups = tuple(
        group
        if group.lr is None or group.fixed
        else replace(group, lr=group.lr * (factor * parts.get(group.part, 1.0)))
        for group in plan.groups
    )
    return replace(plan, groups=groups)
