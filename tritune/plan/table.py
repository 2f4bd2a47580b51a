"""A tuning plan as a table for people."""

from itertools import groupby

from rich.table import Table

from tritune.plan.rate import some_of
from tritune.plan.tuning_plan import Group, TuningPlan


def plan_table(plan: TuningPlan, *, title: str) -> Table:
    """Return one row per part of the model, rate and start, lowest part first, and a total."""
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("group", "total")
    table.add_column("tensors", f"{plan.tensors_total:,}", justify="right")
    table.add_column("parameters", f"{plan.parameters_total:,}", justify="right")
    table.add_column("learning rate", "", justify="right")
    if any(group.exponent is not None for group in plan.groups):
        table.add_column("exponent", "", justify="right")
    if len(plan.phases) > 1:
        table.add_column("learns from", "", justify="right")
    table.add_column("compute", "100.0%", justify="right")

    def row_key(group: Group) -> tuple[str, float | None, float]:
        return group.part, group.lr, plan.begins(group.name)

    ordered = sorted(plan.groups, key=lambda group: _place(plan, group))
    for (name, lr, _), found in groupby(ordered, key=row_key):
        groups = list(found)
        cells = [
            name,
            f"{sum(len(group.tensors) for group in groups):,}",
            f"{sum(group.parameters for group in groups):,}",
            "frozen" if lr is None else f"{lr:.2e}",
        ]
        if any(group.exponent is not None for group in plan.groups):
            cells.append("" if groups[0].exponent is None else str(groups[0].exponent))
        if len(plan.phases) > 1:
            cells.append("" if lr is None else f"{plan.begins(groups[0].name):.0%}")
        cells.append(f"{sum(group.share_of_compute for group in groups):.1%}")
        table.add_row(*cells, style="dim" if lr is None else None)
    return table


def plan_remarks(plan: TuningPlan) -> list[str]:
    """Return what the table leaves out, a line each: what learns, what is new, how rates came about."""
    share = plan.parameters_trainable / plan.parameters_total
    return [
        f"{plan.parameters_trainable:,} of {plan.parameters_total:,} parameters learn ({share:.1%}), "
        f"{plan.trained_compute_per_token / 1e6:,.1f} MFLOP per token",
        f"new, initialised from the seed: {some_of(plan.new_tensors) or 'none'}",
        *_phases(plan),
        *plan.notes,
    ]


def _phases(plan: TuningPlan) -> list[str]:
    if len(plan.phases) == 1:
        return []
    sizes = {group.name: group.parameters for group in plan.groups}
    told = (
        f"{sum(sizes[name] for name in phase.groups):,} parameters from {phase.start:.0%}"
        for phase in plan.phases
    )
    return [f"{len(plan.phases)} phases: {', '.join(told)} of the steps on; each start has its own warm-up"]


def _place(plan: TuningPlan, group: Group) -> tuple[int, bool, float, float]:
    """Sort by part, frozen first, then by rate and start, so that equals of a part stand together."""
    parts = list(dict.fromkeys(g.part for g in plan.groups))
    begins = plan.begins(group.name)
    return parts.index(group.part), group.lr is not None, group.lr or 0.0, begins
