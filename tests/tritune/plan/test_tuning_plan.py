import json

import pytest

from tritune.plan.tuning_plan import TuningPlan

METHODS = [("full", {}), ("partial", {"train_last_tensors": 10}), ("adaptive", {"decay": 0.8})]
METHODS += [
    ("probe_then_full", {}),
    ("gradual", {"decay": 0.8}),
    ("norms_and_biases", {}),
    ("lora", {"rank": 2}),
]


@pytest.mark.parametrize(("kind", "more"), METHODS)
@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_a_plan_comes_back_from_json_as_it_was(compiled, architecture, kind, more):
    plan = compiled(kind, architecture=architecture, **more)
    assert TuningPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(("kind", "more"), METHODS)
def test_the_same_plan_is_the_same_bytes(compiled, kind, more):
    first, second = compiled(kind, **more).to_json(), compiled(kind, **more).to_json()
    assert first == second
    assert TuningPlan.from_json(first).to_json() == first
    assert list(json.loads(first)) == sorted(json.loads(first))


@pytest.mark.parametrize(
    "change", [lambda content: content.pop("layers"), lambda content: content.update(colour="red")]
)
def test_a_plan_with_other_keys_is_refused(compiled, change):
    content = json.loads(compiled("full").to_json())
    change(content)
    with pytest.raises(TypeError):
        TuningPlan.from_json(json.dumps(content))
