"""Plans for language models: an output matrix shared with the embeddings, and two stacks of layers."""

import pytest

from tests.tritune.plan.compiled_plans import refusal
from tritune.plan.tuning_plan import TuningPlan

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
