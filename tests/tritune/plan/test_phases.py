"""Plans of several phases: who learns in which, and what they cost, by hand."""

from collections.abc import Collection
from itertools import pairwise

import pytest

from tritune.models.layers import Anatomy
from tritune.plan.compile import compile_plan
from tritune.plan.rate import FROZEN, Rate
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import FullSettings

LAYER = 4 * 16 * 16 + 2 * 16 * 32
"""Weights in matrix products of one BERT layer."""
POOLER, HEAD = 16 * 16, 16 * 3
MANY = [("probe_then_full", {}), ("gradual", {}), ("gradual", {"decay": 0.5, "unfreeze_share": 0.9})]
ARCHITECTURES = ["bert", "albert", "modernbert", "gpt2", "llama", "t5", "bart"]


def learning(plan: TuningPlan) -> list[set[str]]:
    """The tensors that learn in each phase."""
    tensors = {group.name: group.tensors for group in plan.groups}
    return [{t for name in phase.groups for t in tensors[name]} for phase in plan.phases]


@pytest.mark.parametrize(("kind", "more"), MANY)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_phase_adds_to_the_one_before_and_the_last_holds_all(
    compiled, anatomy_of, architecture, kind, more
):
    plan = compiled(kind, architecture=architecture, **more)
    phases = learning(plan)
    starts = [phase.start for phase in plan.phases]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(few < many for few, many in pairwise(phases))
    assert phases[-1] == set(anatomy_of(architecture).order)
    assert sum(plan.phase_lengths) == pytest.approx(1)


@pytest.mark.parametrize(("kind", "more"), MANY)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_compute_is_the_mean_over_the_phases(compiled, architecture, kind, more):
    plan = compiled(kind, architecture=architecture, **more)
    costs = [phase.compute_per_token for phase in plan.phases]
    mean = sum(cost * length for cost, length in zip(costs, plan.phase_lengths, strict=True))
    assert plan.trained_compute_per_token == pytest.approx(mean)
    assert costs == sorted(costs)
    assert costs[-1] == compiled("full", architecture=architecture).trained_compute_per_token


def test_the_compute_of_a_probe_and_then_all_by_hand(compiled):
    plan = compiled("probe_then_full", head_share=0.25)
    probe = 2 * (3 * LAYER + POOLER) + 6 * HEAD
    full = 6 * (3 * LAYER + POOLER + HEAD)
    assert [phase.compute_per_token for phase in plan.phases] == [probe, full]
    assert plan.trained_compute_per_token == 0.25 * probe + 0.75 * full
    shares = {group.name: group.share_of_compute for group in plan.groups}
    assert shares["layer.0"] == pytest.approx((0.25 * 2 + 0.75 * 6) * LAYER / plan.trained_compute_per_token)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_compute_of_gradual_unfreezing_by_hand(compiled):
    """Head; top layer with the pooler; middle; lowest; embeddings, which cost no product of their own."""
    plan = compiled("gradual", unfreeze_share=0.8)
    assert [phase.start for phase in plan.phases] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    expected = [2 * (3 * LAYER + POOLER) + 6 * HEAD]
    expected += [2 * (3 - k) * LAYER + 6 * (k * LAYER + POOLER + HEAD) for k in (1, 2, 3)]
    assert [phase.compute_per_token for phase in plan.phases] == [*expected, expected[-1]]


def test_a_frozen_part_is_in_no_phase_and_costs_the_same_in_all(anatomy_of):
    anatomy = anatomy_of("bert")
    plan = by_hand(anatomy, late={"bert.pooler.dense.weight"}, frozen=low(anatomy))
    assert not learning(plan)[-1] & low(anatomy)
    assert all(plan.begins(group.name) == 0 for group in plan.groups if group.lr is None)
    layer = sum(g.share_of_compute for g in plan.groups if g.name.partition("/")[0] == "layer.0")
    assert layer * plan.trained_compute_per_token == pytest.approx(2 * LAYER)


def test_one_part_may_hold_tensors_that_begin_at_different_times(anatomy_of):
    plan = by_hand(anatomy_of("bert"), late={"bert.pooler.dense.weight"}, frozen=set())
    starts = {group.tensors: plan.begins(group.name) for group in plan.groups if "final" in group.name}
    assert starts == {("bert.pooler.dense.weight",): 0.5, ("bert.pooler.dense.bias",): 0}


def test_a_training_in_which_nothing_learns_at_first_is_a_programming_error(anatomy_of):
    anatomy = anatomy_of("bert")
    with pytest.raises(ValueError, match="nothing learns before 50% of the training"):
        by_hand(anatomy, late=set(anatomy.order), frozen=set())


def low(anatomy: Anatomy) -> set[str]:
    return {t.name for part in anatomy.parts if part.name in ("embeddings", "layer.0") for t in part.tensors}


def by_hand(anatomy: Anatomy, *, late: Collection[str], frozen: Collection[str]) -> TuningPlan:
    rates = {
        name: FROZEN if name in frozen else Rate(start=0.5 if name in late else 0) for name in anatomy.order
    }
    return compile_plan(anatomy, rates, FullSettings(kind="full", lr=1e-3), new_tensors=(), key="method.m")
