"""The compiled plan: groups, rates and compute by hand, and what is refused before any training."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritune.errors import InputError
from tritune.plan.compile import compile_plan
from tritune.plan.make import make_plan
from tritune.plan.rate import Rate
from tritune.plan.tuning_plan import Phase, TuningPlan
from tritune.settings.method import FullSettings

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


def rate_of(plan: TuningPlan) -> dict[str, float | None]:
    return {name: group.lr for group in plan.groups for name in group.tensors}


def decaying(plan: TuningPlan) -> set[str]:
    return {name for group in plan.groups if group.weight_decay for name in group.tensors}


def refusal(compiled, kind: str, **more) -> str:
    with pytest.raises(InputError) as caught:
        compiled(kind, **more)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        ("full", {}, "lr: auto gave 5.0e-04 from width 16, 3 of 3 layers learning, a new head"),
        (
            "partial",
            {"freeze_layers": 2},
            "lr: auto gave 1.2e-03 from width 16, 1 of 3 layers learning, a new head",
        ),
        (
            "adaptive",
            {"decay": 0.5},
            "lr: auto gave 1.0e-03 from width 16, 3 of 3 layers learning, a new head, decay 0.5",
        ),
        (
            "full",
            {"new_tensors": []},
            "lr: auto gave 2.5e-04 from width 16, 3 of 3 layers learning, a head that is not new",
        ),
        (
            "gradual",
            {"decay": 0.5},
            "lr: auto gave 1.0e-03 from width 16, 3 of 3 layers learning, a new head, decay 0.5",
        ),
        (
            "norms_and_biases",
            {},
            "lr: auto gave 5.0e-03 from width 16, 3 of 3 layers learning, a new head, few numbers of each "
            "layer",
        ),
        (
            "partial",
            {"architecture": "albert", "freeze_layers": 1},
            "lr: auto gave 2.8e-03 from width 16, 0 of 3 layers learning, a new head",
        ),
    ],
)
def test_an_automatic_rate_says_what_it_rests_on(compiled, kind, more, sentence):
    plan = compiled(kind, **more)
    assert plan.notes[0] == f"{sentence}; set lr to choose your own"
    assert plan.groups[-1].lr == float(sentence.split()[3])


def test_a_head_that_answers_for_every_token_gets_half_the_rate_and_the_plan_says_so():
    from transformers import BertConfig, BertForTokenClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForTokenClassification(BertConfig(**sizes, vocab_size=50, num_labels=3))
    new = ["classifier.weight", "classifier.bias"]
    plan = make_plan(model, FullSettings(kind="full"), new_tensors=new, key="method.full")
    assert plan.notes[0] == (
        "lr: auto gave 2.5e-04 from width 16, 3 of 3 layers learning, a new head that answers for every "
        "token; set lr to choose your own"
    )


def test_a_rate_of_ones_own_needs_no_note(compiled):
    assert compiled("full", lr=1e-4).notes == ()


def test_the_exponents_are_explained(compiled):
    assert compiled("adaptive", decay=0.9, lr=1e-4).notes == (
        "rate = lr x decay^exponent; the exponent is 0 for the top layer and all above it, 3 for the "
        "embeddings",
    )


def test_last_tensors_are_told_from_layers(compiled):
    assert compiled("partial", train_last_tensors=10, lr=1e-4).notes == (
        "train_last_tensors counts tensors in the order of model.parameters(), weights and biases one by "
        "one; to freeze whole layers use freeze_layers",
    )


def test_a_plan_that_trains_nothing_is_refused(compiled):
    assert refusal(compiled, "partial", freeze_patterns=["*"], new_tensors=[]) == (
        "method.partial: the plan trains nothing, every tensor is frozen; freeze less"
    )


def test_a_new_head_that_would_stay_random_is_refused(compiled):
    assert refusal(compiled, "partial", freeze_patterns=["classifier.*"]) == (
        "method.partial: classifier.bias would be frozen, but it is newly initialised, not pretrained, and "
        "would stay random; freeze less, so that the new tensors learn: classifier.bias, classifier.weight"
    )
    assert "classifier.weight would be frozen" in refusal(compiled, "partial", train_last_tensors=1)


def test_a_head_that_is_pretrained_may_be_frozen(compiled):
    rates = rate_of(compiled("partial", freeze_patterns=["classifier.*"], new_tensors=[]))
    assert [name for name, lr in rates.items() if lr is None] == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("partial", {"freeze_patterns": ["classifier.*"], "new_tensors": []}),
        ("adaptive", {"rates": {"classifier.*": 1e-3}}),
    ],
)
def test_a_head_rate_without_effect_is_refused(compiled, kind, more):
    assert refusal(compiled, kind, head_lr=0.01, **more) == (
        f"method.{kind}.head_lr: has no effect, since every tensor of the head is frozen or has a rate of "
        "its own (got 0.01); leave it out"
    )


def test_rates_for_other_tensors_are_a_programming_error(anatomy_of):
    anatomy = anatomy_of("bert")
    rates = importlib.import_module("tritune.methods.full").rates(
        anatomy, FullSettings(kind="full"), new_tensors=(), key="k"
    )
    with pytest.raises(ValueError, match=r"rates for other tensors than the model's: \['elsewhere'\]"):
        compile_plan(
            anatomy, {**rates, "elsewhere": Rate()}, FullSettings(kind="full"), new_tensors=[], key="k"
        )


LANGUAGE_MODELS = ["gpt2-lm", "llama-lm", "qwen2-lm", "opt-lm", "t5-lm", "bart-lm"]


@pytest.mark.parametrize("architecture", LANGUAGE_MODELS)
@pytest.mark.parametrize(
    ("kind", "more"), [("full", {}), ("partial", {"freeze_layers": 1}), ("adaptive", {"decay": 0.5})]
)
def test_every_tensor_of_a_language_model_is_in_one_group(compiled, anatomy_of, architecture, kind, more):
    plan = compiled(kind, architecture=architecture, new_tensors=[], **more)
    names = [name for group in plan.groups for name in group.tensors]
    assert sorted(names) == sorted(anatomy_of(architecture).order)
    assert sum(group.share_of_compute for group in plan.groups) == pytest.approx(1)


def compute_of(plan: TuningPlan, part: str) -> float:
    shares = sum(group.share_of_compute for group in plan.groups if group.name.partition("/")[0] == part)
    return shares * plan.trained_compute_per_token


def test_a_tied_output_matrix_is_computed_at_the_top(compiled):
    """gpt2-lm: 50 x 16 weights, 2 operations each: forward, and for the gradients of weight and input."""
    assert compute_of(
        compiled("full", architecture="gpt2-lm", new_tensors=[]), "embeddings"
    ) == pytest.approx(6 * 50 * 16)
    # Frozen, it still hands the gradient down to the layers that learn, all of which lie below it.
    frozen = compiled("partial", architecture="gpt2-lm", new_tensors=[], freeze_layers=2)
    assert compute_of(frozen, "embeddings") == pytest.approx(4 * 50 * 16)
    assert compute_of(frozen, "layer.0") == pytest.approx(2 * (4 * 16 * 16 + 2 * 16 * 64))


def test_an_output_matrix_of_its_own_costs_the_same(compiled):
    plan = compiled("full", architecture="llama-lm", new_tensors=[])
    assert compute_of(plan, "head") == pytest.approx(6 * 50 * 16)
    assert compute_of(plan, "embeddings") == 0


def test_the_plan_says_that_frozen_embeddings_freeze_the_output_matrix(compiled):
    shared = "transformer.wte.weight is also the matrix of the output layer"
    said = f"{shared}: with the embeddings it is frozen there too"
    assert said in compiled("partial", architecture="gpt2-lm", new_tensors=[], freeze_layers=1).notes
    for plan in (
        compiled("full", architecture="gpt2-lm", new_tensors=[]),
        compiled("partial", architecture="llama-lm", new_tensors=[], freeze_layers=1),
        compiled("partial", architecture="gpt2", freeze_layers=1),
    ):
        assert not any("output layer" in note for note in plan.notes)


def test_the_plan_says_that_a_tied_matrix_learns_at_the_rate_of_the_embeddings(compiled):
    plan = compiled("adaptive", architecture="t5-lm", new_tensors=[], decay=0.5)
    assert (
        "shared.weight is also the matrix of the output layer: it learns at the embeddings' rate there too"
    ) in plan.notes


@pytest.mark.parametrize("settings", [{"freeze_layers": 3}, {"freeze_fraction": 0.5}])
@pytest.mark.parametrize("architecture", ["t5-lm", "bart-lm"])
def test_layers_are_counted_over_both_stacks_the_encoders_first(compiled, architecture, settings):
    """Two layers of the encoder, then three of the decoder; half of five rounds to three."""
    plan = compiled("partial", architecture=architecture, new_tensors=[], **settings)
    parts = {group.name.partition("/")[0]: group.lr is None for group in plan.groups}
    frozen = [name for name, is_frozen in parts.items() if is_frozen]
    assert [name for name in frozen if "layer." in name] == [
        *("encoder.layer.0", "encoder.layer.1", "decoder.layer.0"),
    ]
    assert not parts["decoder.layer.1"]


def new_of_pair(anatomy) -> list[str]:
    return [n for n in anatomy.order if "crossattention" in n or n.startswith("decoder.cls.")]


def test_a_pair_can_freeze_its_encoder_and_no_more(compiled, anatomy_of):
    new = new_of_pair(anatomy_of("pair"))
    plan = compiled("partial", architecture="pair", new_tensors=new, freeze_layers=2)
    frozen = {group.name.partition("/")[0] for group in plan.groups if group.lr is None}
    assert frozen == {"embeddings", "encoder.layer.0", "encoder.layer.1"}
    assert refusal(compiled, "partial", architecture="pair", new_tensors=new, freeze_layers=3) == (
        "method.partial: decoder.bert.encoder.layer.0.crossattention.output.LayerNorm.bias would be frozen, "
        "but it is newly initialised, not pretrained, and would stay random; freeze less (at most 2 of 5 "
        f"layers), so that the new tensors learn: {', '.join(sorted(new)[:3])} and {len(new) - 3} more"
    )


def test_a_rate_for_a_head_that_is_the_embeddings_is_refused(compiled):
    assert refusal(compiled, "full", architecture="gpt2-lm", new_tensors=[], head_lr=1e-3) == (
        "method.full.head_lr: has no effect, since the GPT2LMHeadModel has no head of its own: its output "
        "layer shares the matrix of the embeddings (got 0.001); leave it out"
    )
    assert refusal(compiled, "adaptive", architecture="gpt2-lm", new_tensors=[], body_lr=1e-5) == (
        "method.adaptive.body_lr: the GPT2LMHeadModel has no head of its own: its output layer shares the "
        "matrix of the embeddings (got 1e-05); give `decay` or `rates` instead"
    )


def test_a_head_that_was_pretrained_gets_half_the_rate(compiled):
    new, old = (
        compiled("full", architecture="llama"),
        compiled("full", architecture="llama-lm", new_tensors=[]),
    )
    rates = [{group.lr for group in plan.groups} for plan in (new, old)]
    assert rates[0] == {2 * rate for rate in rates[1]}
