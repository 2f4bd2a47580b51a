import pytest

from tritune.errors import InputError
from tritune.plan.scaled import scaled


def rates(plan):
    return {group.part: group.lr for group in plan.groups}


def test_ratios_stay_and_what_is_frozen_stays_frozen(compiled):
    plan = compiled("adaptive", decay=0.5, lr=8e-3)
    assert rates(scaled(plan, 2.0)) == {part: 2 * lr for part, lr in rates(plan).items()}
    partial = compiled("partial", freeze_layers=2, lr=1e-3)
    assert rates(scaled(partial, 0.5))["layer.1"] is None
    assert rates(scaled(partial, 0.5))["layer.2"] == 5e-4


def test_what_params_yaml_gives_as_a_number_stays(compiled):
    plan = compiled("full", lr=1e-3, head_lr=4e-3)
    assert rates(scaled(plan, 0.5)) == {**dict.fromkeys(rates(plan), 5e-4), "head": 4e-3}
    two = compiled("adaptive", lr=1e-3, body_lr=1e-4)
    assert rates(scaled(two, 2.0)) == {**dict.fromkeys(rates(two), 1e-4), "head": 2e-3}


def test_parts_have_factors_of_their_own(compiled):
    plan = compiled("adaptive", rates="gradient_norm", lr=1e-3)
    assert set(rates(plan).values()) == {1e-3}
    found = rates(scaled(plan, 2.0, parts={"layer.0": 0.25, "embeddings": 0.5}))
    assert found["layer.0"] == 5e-4
    assert found["embeddings"] == 1e-3
    assert found["layer.1"] == found["head"] == 2e-3


def test_times_one_the_plan_is_the_same(compiled):
    plan = compiled("adaptive", decay=0.7)
    assert scaled(plan, 1.0) == plan
    assert scaled(plan, 1.0).to_json() == plan.to_json()


@pytest.mark.parametrize(
    "settings", [{"body_lr": 1e-4, "head_lr": 1e-3}, {"rates": {"*": 1e-3}}], ids=["two groups", "pattern"]
)
def test_a_sweep_of_rates_that_are_all_given_is_refused(compiled, settings):
    with pytest.raises(InputError) as error:
        compiled("adaptive", **settings, lr="sweep")
    assert str(error.value) == (
        "method.adaptive.lr: sweep has nothing to find, since every tensor that learns has a rate of its "
        "own; leave lr out, or one of the other rates"
    )


def test_a_sweep_is_around_what_auto_would_give(compiled):
    swept, auto = compiled("full", lr="sweep"), compiled("full", lr="auto")
    assert rates(swept) == rates(auto)
    assert swept.notes[0].startswith("lr: sweep tries rates around 5.0e-04, which is derived from width 16")
