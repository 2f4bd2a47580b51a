import pytest

from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.remedies import Milder, Remedy, remedies
from tritune.settings.project import check_project
from tritune.settings.train import TrainSettings


def plan(
    *, body: float | None = 1e-4, head: float | None = 1e-4, given: float | None = None, new: bool = True
) -> TuningPlan:
    groups = [
        Group("layer.1", ("c",), 1, given, True, None, 0.0, fixed=given is not None),
        Group("layer.0", ("a",), 1, body, True, None, 0.0),
        Group("head/1", ("b",), 1, head, False, None, 0.0),
    ]
    return TuningPlan(
        architecture="x",
        kind="full",
        groups=tuple(groups),
        phases=(Phase(0.0, ("layer.0", "head/1")),),
        new_tensors=("b",) if new else (),
        layers=6,
        tensors_total=2,
        parameters_total=2,
        parameters_trainable=2,
        trained_compute_per_token=1.0,
        notes=(),
    )


def listed(
    settings: dict, *, onset: int = 2, epochs: int = 6, milder: Milder | None = None, taken=(), **of
) -> list[Remedy]:
    return remedies("mine", settings, plan(**of), onset=onset, epochs=epochs, milder=milder, taken=taken)


def names(found: list[Remedy]) -> list[str]:
    return [one.name or "shorter" for one in found]


FULL = {"kind": "full", "lr": "auto", "head_lr": None}


@pytest.mark.parametrize(
    ("onset", "first", "last"),
    [(1, "mine_slower", "shorter"), (2, "mine_frozen", "mine_head_first"), (5, "shorter", "mine_head_first")],
)
def test_what_comes_first_depends_on_when_the_loss_turned(onset, first, last):
    found = names(listed(FULL, onset=onset))
    assert (found[0], found[-1]) == (first, last)
    assert sorted(found) == ["mine_frozen", "mine_head_first", "mine_slower", "shorter"]


def test_another_method_that_learns_less_and_does_not_overfit_is_the_best_evidence():
    milder = Milder("partial", 0.33, "validation macro F1 0.91 against 0.90")
    first = listed(FULL, onset=5, milder=milder)[0]
    assert first.name == "mine_frozen"
    assert first.reason == (
        "in partial 33% as many parameters learn, and it does not overfit on the same rows (validation "
        "macro F1 0.91 against 0.90)"
    )


def of(found: list[Remedy], name: str) -> Remedy:
    return next(one for one in found if one.name == f"mine_{name}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (FULL, {"kind": "partial", "lr": "auto", "freeze_layers": 3}),
        ({"kind": "full", "lr": 1e-3}, {"kind": "partial", "lr": "auto", "freeze_layers": 3}),
        ({"kind": "full", "lr": "sweep"}, {"kind": "partial", "lr": "sweep", "freeze_layers": 3}),
        (
            {"kind": "partial", "lr": 1e-3, "freeze_layers": 3},
            {"kind": "partial", "lr": 1e-3, "freeze_layers": 5},
        ),
        (
            {"kind": "partial", "lr": "auto", "freeze_fraction": 0.67},
            {"kind": "partial", "lr": "auto", "freeze_layers": 5},
        ),
        (
            {"kind": "partial", "lr": "auto", "train_last_tensors": 9},
            {"kind": "partial", "lr": "auto", "train_last_tensors": 4},
        ),
    ],
)
def test_half_of_what_learns_is_frozen(settings, expected):
    assert of(listed(settings), "frozen").settings == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "partial", "lr": "auto", "freeze_layers": 6},
        {"kind": "partial", "lr": "auto", "train_last_tensors": 1},
        {"kind": "partial", "lr": "auto", "freeze_patterns": ["*"]},
        {"kind": "lora", "lr": "auto", "rank": 8},
        {"kind": "norms_and_biases", "lr": "auto"},
    ],
)
def test_where_no_layer_is_left_to_freeze_nothing_is_said_of_it(settings):
    assert "mine_frozen" not in names(listed(settings))


@pytest.mark.parametrize(
    ("onset", "settings", "rates", "expected"),
    [
        (2, FULL, {}, {"kind": "full", "lr": 5e-5}),
        (1, FULL, {}, {"kind": "full", "lr": 3.3e-5}),
        (2, FULL, {"head": 1e-3}, {"kind": "full", "lr": 5e-5, "head_lr": 5e-4}),
        (2, {"kind": "full", "lr": 4e-4, "head_lr": 2e-3}, {}, {"kind": "full", "lr": 2e-4, "head_lr": 1e-3}),
        (
            2,
            {"kind": "partial", "lr": "auto", "freeze_layers": 6},
            {"body": None, "head": 8e-3},
            {"kind": "partial", "lr": 4e-3, "freeze_layers": 6},
        ),
        (
            2,
            {"kind": "adaptive", "lr": 4e-4, "body_lr": 2e-5},
            {},
            {"kind": "adaptive", "lr": 2e-4, "body_lr": 1e-5},
        ),
        (
            2,
            {"kind": "adaptive", "lr": 4e-4, "rates": {"*.0.*": 2e-5}},
            {},
            {"kind": "adaptive", "lr": 2e-4, "rates": {"*.0.*": 1e-5}},
        ),
        (
            2,
            {"kind": "adaptive", "lr": "auto", "rates": {"*.1.*": 8e-3}},
            {"given": 8e-3},
            {"kind": "adaptive", "lr": 5e-5, "rates": {"*.1.*": 4e-3}},
        ),
        (2, {"kind": "full", "lr": "sweep"}, {"head": 1e-3}, {"kind": "full", "lr": 5e-5, "head_lr": 5e-4}),
        (
            2,
            {"kind": "adaptive", "lr": "auto", "rates": "gradient_norm"},
            {},
            {"kind": "adaptive", "lr": 5e-5, "rates": "gradient_norm"},
        ),
    ],
)
def test_every_rate_is_halved_and_divided_by_three_where_one_epoch_was_too_much(
    onset, settings, rates, expected
):
    assert of(listed(settings, onset=onset, **rates), "slower").settings == expected


def test_the_head_learns_first_only_where_it_is_new_and_everything_learns():
    assert of(listed(FULL), "head_first").settings == {"kind": "probe_then_full", "lr": "auto"}
    assert "mine_head_first" not in names(listed(FULL, new=False))
    assert "mine_head_first" not in names(listed({"kind": "partial", "lr": "auto", "freeze_layers": 1}))


def test_a_shorter_training_ends_where_the_loss_was_lowest():
    (shorter,) = [one for one in listed(FULL, onset=2) if one.name is None]
    assert (shorter.title, shorter.settings) == ("stop earlier: 2 epochs", {"epochs": 2})
    TrainSettings(**shorter.settings)


def test_every_entry_is_one_that_params_yaml_takes():
    found = [one for one in listed(FULL) if one.name is not None]
    project = check_project(
        {
            "task": "text_classification",
            "data": {"source": "x.csv"},
            "model": {"source": "x"},
            "methods": [one.name for one in found],
            "seeds": [1],
            "method": {one.name: one.settings for one in found},
        }
    )
    assert set(project.method) == {"mine_frozen", "mine_slower", "mine_head_first"}


def test_a_name_that_is_taken_gets_a_number():
    taken = ("mine", "mine_frozen", "mine_slower", "mine_slower_2")
    found = names(listed(FULL, taken=taken))
    assert found == ["mine_frozen_2", "mine_slower_3", "shorter", "mine_head_first"]
