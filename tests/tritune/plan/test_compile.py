"""The compiled plan: groups, rates and compute by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tritune.plan.compiled_plans import rate_of
from tritune.plan.tuning_plan import Phase, TuningPlan

ARCHITECTURES = ["bert", "roberta", "distilbert", "albert", "deberta-v2", "modernbert", "electra"]
ARCHITECTURES += ["gpt2", "llama", "t5", "bart"]
METHODS = [
    ("full", {}),
    ("partial", {"freeze_layers": 1}),
    ("partial", {"freeze_patterns": ["*[aA]tt*"], "new_tensors": []}),
    ("adaptive", {"decay": 0.5}),
    ("adaptive", {"body_lr": 1e-5}),
    ("probe_then_full", {}),
    ("gradual", {}),
    ("gradual", {"decay": 0.5}),
    ("norms_and_biases", {}),
]
MANY_PHASES = ("probe_then_full", "gradual")
LAYER = 4 * 16 * 16 + 2 * 16 * 32
"""Weights in matrix products of one BERT layer: query, key, value, output; up and down."""


def decaying(plan: TuningPlan) -> set[str]:
    return {name for group in plan.groups if group.weight_decay for name in group.tensors}


@pytest.mark.parametrize(("kind", "more"), METHODS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_tensor_is_in_exactly_one_group_and_the_totals_add_up(
    compiled, tiny_model, architecture, kind, more
):
    plan = compiled(kind, architecture=architecture, **more)
    sizes = {name: parameter.numel() for name, parameter in tiny_model(architecture).named_parameters()}
    assert sorted(name for group in plan.groups for name in group.tensors) == sorted(sizes)
    assert len({group.name for group in plan.groups}) == len(plan.groups)
    for group in plan.groups:
        assert group.parameters == sum(sizes[name] for name in group.tensors)
    learning = [group for group in plan.groups if group.lr is not None]
    assert plan.phases[-1].groups == tuple(group.name for group in learning)
    assert kind in MANY_PHASES or plan.phases == (
        Phase(0.0, plan.phases[-1].groups, plan.trained_compute_per_token),
    )
    assert plan.tensors_total == len(sizes)
    assert plan.parameters_total == sum(sizes.values())
    assert plan.parameters_trainable == sum(group.parameters for group in learning)
    assert sum(group.share_of_compute for group in plan.groups) == pytest.approx(1)
    assert all(0 <= group.share_of_compute <= 1 for group in plan.groups)


def test_the_groups_are_named_for_their_parts_lowest_first(compiled):
    plan = compiled("full", lr=1e-4)
    assert [(group.name, group.weight_decay) for group in plan.groups] == [
        ("embeddings", True),
        ("embeddings/1", False),
        ("layer.0", True),
        ("layer.0/1", False),
        ("layer.1", True),
        ("layer.1/1", False),
        ("layer.2", True),
        ("layer.2/1", False),
        ("final", True),
        ("final/1", False),
        ("head", True),
        ("head/1", False),
    ]


def test_norms_and_biases_learn_at_their_layers_rate_without_weight_decay(compiled, tiny_model):
    plan = compiled("adaptive", decay=0.5, lr=8e-4)
    matrices = {name for name, parameter in tiny_model("bert").named_parameters() if parameter.ndim > 1}
    assert decaying(plan) == matrices
    rates = rate_of(plan)
    assert rates["bert.encoder.layer.0.output.LayerNorm.weight"] == 2e-4
    assert rates["bert.encoder.layer.0.output.dense.bias"] == 2e-4
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 2e-4


def test_rates_under_decay_by_hand(compiled):
    plan = compiled("adaptive", decay=0.5, lr=8e-4)
    by_part = {group.name: (group.lr, group.exponent) for group in plan.groups if "/" not in group.name}
    assert by_part == {
        "embeddings": (1e-4, 3),
        "layer.0": (2e-4, 2),
        "layer.1": (4e-4, 1),
        "layer.2": (8e-4, 0),
        "final": (8e-4, 0),
        "head": (8e-4, 0),
    }


def test_freezing_nothing_is_full_fine_tuning(compiled):
    full = compiled("full")
    for way in ({"freeze_layers": 0}, {"freeze_fraction": 0.0}):
        plan = compiled("partial", **way)
        assert plan.groups == full.groups
        assert plan.trained_compute_per_token == full.trained_compute_per_token


def test_a_decay_of_one_is_full_fine_tuning(compiled):
    assert rate_of(compiled("adaptive", decay=1)) == rate_of(compiled("full"))


def test_equal_rates_for_body_and_head_are_full_fine_tuning(compiled):
    assert rate_of(compiled("adaptive", body_lr=1e-4, lr=1e-4)) == rate_of(compiled("full", lr=1e-4))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("full", {}),
        ("partial", {"freeze_layers": 1}),
        ("adaptive", {"decay": 0.5}),
        ("adaptive", {"body_lr": 1e-5}),
    ],
)
def test_the_head_learns_at_its_own_rate_if_it_has_one(compiled, kind, more):
    rates = rate_of(compiled(kind, lr=1e-4, head_lr=1e-2, **more))
    assert rates["classifier.weight"] == rates["classifier.bias"] == 1e-2
    assert rates["bert.pooler.dense.weight"] == more.get("body_lr", 1e-4)


def test_two_groups(compiled):
    rates = rate_of(compiled("adaptive", body_lr=1e-5, lr=1e-3))
    assert {lr for name, lr in rates.items() if name.startswith("bert.")} == {1e-5}
    assert {lr for name, lr in rates.items() if name.startswith("classifier.")} == {1e-3}


def test_patterns_set_rates_and_a_part_may_hold_several(compiled):
    plan = compiled("adaptive", rates={"*.layer.1.attention.*": 3e-5}, lr=1e-3)
    for name, lr in rate_of(plan).items():
        assert lr == (3e-5 if ".layer.1.attention." in name else 1e-3)
    found = {g.name: (g.lr, g.weight_decay) for g in plan.groups if g.name.startswith("layer.1")}
    assert found == {
        "layer.1": (3e-5, True),
        "layer.1/1": (3e-5, False),
        "layer.1/2": (1e-3, True),
        "layer.1/3": (1e-3, False),
    }


def test_the_compute_of_full_fine_tuning_by_hand(compiled):
    """Forward, gradient of the weights, gradient handed down: 2 operations each per weight and token."""
    assert compiled("full").trained_compute_per_token == 6 * (3 * LAYER + 16 * 16 + 16 * 3)


def test_the_compute_above_a_frozen_prefix_by_hand(compiled):
    plan = compiled("partial", freeze_layers=2)
    frozen, learning = 2 * (2 * LAYER), 6 * (LAYER + 16 * 16 + 16 * 3)
    assert plan.trained_compute_per_token == frozen + learning
    shares = {group.name: group.share_of_compute for group in plan.groups}
    assert shares["layer.0"] == pytest.approx(2 * LAYER / (frozen + learning))
    assert shares["layer.2"] == pytest.approx(6 * LAYER / (frozen + learning))
    assert shares["embeddings"] == 0


def test_a_frozen_layer_above_a_learning_one_still_hands_the_gradient_down(compiled):
    plan = compiled("partial", freeze_patterns=["*.layer.1.*"])
    assert plan.trained_compute_per_token == 6 * (2 * LAYER + 16 * 16 + 16 * 3) + 4 * LAYER


def test_the_compute_of_shared_layers_counts_every_run(compiled):
    once = 16 * 8 + 16 * 16 + 16 * 3
    assert compiled("full", architecture="albert").trained_compute_per_token == 6 * (3 * LAYER + once)


@pytest.mark.parametrize("architecture", ["bert", "t5", "bart"])
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_freezing_more_never_costs_more_and_nothing_is_lost(compiled, anatomy_of, architecture, data):
    depth = len(anatomy_of(architecture).layers)
    few, many = sorted(data.draw(st.tuples(st.integers(0, depth), st.integers(0, depth))))
    plans = [compiled("partial", architecture=architecture, freeze_layers=count) for count in (few, many)]
    assert plans[0].trained_compute_per_token >= plans[1].trained_compute_per_token
    assert plans[0].parameters_trainable >= plans[1].parameters_trainable
    for plan in plans:
        frozen = sum(group.parameters for group in plan.groups if group.lr is None)
        assert frozen + plan.parameters_trainable == plan.parameters_total


@given(decay=st.floats(0.05, 1), lr=st.floats(1e-6, 1e-2))
@settings(deadline=None, max_examples=30)
def test_rates_fall_monotonically_going_down(compiled, decay, lr):
    rates = [group.lr for group in compiled("adaptive", decay=decay, lr=lr).groups]
    assert rates == sorted(rates)
    assert rates[-1] == lr
