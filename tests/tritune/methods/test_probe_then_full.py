"""When each tensor begins, and at which rate."""

import pytest

from tritune.errors import InputError
from tritune.methods.probe_then_full import rates
from tritune.plan.rate import Rate
from tritune.settings.method import ProbeThenFullSettings


def found(anatomy, *, new_tensors=(), **more) -> dict[str, Rate]:
    settings = ProbeThenFullSettings(kind="probe_then_full", **more)
    by_name = rates(anatomy, settings, new_tensors=new_tensors, key="method.m")
    assert by_name.keys() == set(anatomy.order)
    return by_name


@pytest.mark.parametrize("architecture", ["bert", "albert", "gpt2", "llama", "llama-lm", "t5", "bart"])
def test_the_head_begins_and_all_the_rest_follows_together(anatomy_of, architecture):
    anatomy = anatomy_of(architecture)
    by_name = found(anatomy, head_share=0.25)
    for part in anatomy.parts:
        for tensor in part.tensors:
            assert by_name[tensor.name] == Rate(start=0.0 if part.role == "head" else 0.25)


def test_what_is_new_in_the_body_begins_with_the_head(anatomy_of):
    new = [name for name in anatomy_of("bert").order if "pooler" in name or "classifier" in name]
    by_name = found(anatomy_of("bert"), new_tensors=new)
    assert {name for name, rate in by_name.items() if rate.start == 0} == set(new)


def test_a_third_of_the_steps_is_the_heads_by_default(anatomy_of):
    assert found(anatomy_of("bert"))["bert.pooler.dense.weight"].start == 0.33


@pytest.mark.parametrize(("architecture", "name"), [("gpt2-lm", "GPT2LMHeadModel"), ("t5-lm", None)])
def test_a_model_without_a_head_of_its_own_is_refused(anatomy_of, architecture, name):
    name = name or "T5ForConditionalGeneration"
    with pytest.raises(InputError) as caught:
        found(anatomy_of(architecture))
    assert str(caught.value) == (
        f"method.m.kind: probe_then_full begins with the head, but the {name} has no head of its own: its "
        "output layer shares the matrix of the embeddings; take kind: gradual or full"
    )


def test_alone_at_first_the_head_gets_the_rate_of_one_on_a_frozen_body(compiled):
    plan = compiled("probe_then_full")
    body = {group.lr for group in plan.groups if not group.name.startswith("head")}
    head = {group.lr for group in plan.groups if group.name.startswith("head")}
    # The width's rate, and 4 layers and a head to one that learns: 5e-4 x 4^1.25.
    assert (body, head) == ({5e-4}, {2.8e-3})
    assert (
        "the head learns at 2.8e-03, as on a frozen body, for it is alone at first; set head_lr to choose "
        "your own"
    ) in plan.notes


def test_a_rate_of_ones_own_is_the_heads_too(compiled):
    assert {group.lr for group in compiled("probe_then_full", lr=1e-4).groups} == {1e-4}
    own = compiled("probe_then_full", head_lr=1e-2)
    assert {group.lr for group in own.groups if group.name.startswith("head")} == {1e-2}
    assert not any("as on a frozen body" in note for note in own.notes)


def test_a_head_that_is_not_new_gets_no_rate_of_its_own(compiled):
    plan = compiled("probe_then_full", architecture="llama-lm", new_tensors=[])
    assert len({group.lr for group in plan.groups}) == 1
