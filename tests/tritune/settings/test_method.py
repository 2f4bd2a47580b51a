"""In exactly one way it is said what is frozen, and which rates there are."""

import pytest
from pydantic import TypeAdapter, ValidationError

from tritune.settings.method import (
    AdaptiveSettings,
    FullSettings,
    GradualSettings,
    LoraSettings,
    MethodSettings,
    NormsAndBiasesSettings,
    PartialSettings,
    ProbeThenFullSettings,
)

WAYS = {
    "freeze_layers": 2,
    "freeze_fraction": 0.5,
    "freeze_patterns": ["*.embeddings.*"],
    "train_last_tensors": 10,
}
RATES = {"decay": 0.9, "body_lr": 1e-5, "rates": {"classifier.*": 1e-3}}
FREEZE = "must say in exactly one way what is frozen: " + ", ".join(WAYS)
GIVE = "must give the rates in exactly one way: decay, body_lr, rates"


def read(**content: object) -> MethodSettings:
    return TypeAdapter(MethodSettings).validate_python(content)


def refusal(**content: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**content)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("kind", "more", "settings"),
    [
        ("full", {}, FullSettings),
        ("partial", {"freeze_layers": 0}, PartialSettings),
        ("adaptive", {"decay": 1}, AdaptiveSettings),
        ("probe_then_full", {}, ProbeThenFullSettings),
        ("gradual", {}, GradualSettings),
        ("norms_and_biases", {}, NormsAndBiasesSettings),
        ("lora", {"modules": ["*.query"]}, LoraSettings),
    ],
)
def test_the_kind_decides_and_the_rate_is_automatic_by_default(kind, more, settings):
    found = read(kind=kind, **more)
    assert type(found) is settings
    assert (found.lr, found.head_lr) == ("auto", None)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_freezing_stands_alone(way):
    assert getattr(read(kind="partial", **{way: WAYS[way]}), way) == WAYS[way]


def test_a_partial_method_says_in_exactly_one_way_what_is_frozen():
    assert refusal(kind="partial") == f"{FREEZE} (got none of them)"
    two = {way: WAYS[way] for way in ("freeze_layers", "freeze_patterns")}
    assert refusal(kind="partial", **two) == f"{FREEZE} (got freeze_layers and freeze_patterns)"
    assert refusal(kind="partial", **WAYS) == f"{FREEZE} (got {' and '.join(WAYS)})"


def test_freezing_nothing_counts_as_a_way():
    two = refusal(kind="partial", freeze_layers=0, freeze_fraction=0.0)
    assert two == f"{FREEZE} (got freeze_layers and freeze_fraction)"


@pytest.mark.parametrize("way", RATES)
def test_each_way_of_giving_rates_stands_alone(way):
    assert getattr(read(kind="adaptive", **{way: RATES[way]}), way) == RATES[way]


def test_an_adaptive_method_gives_its_rates_in_exactly_one_way():
    assert refusal(kind="adaptive") == f"{GIVE} (got none of them)"
    assert refusal(kind="adaptive", **RATES) == f"{GIVE} (got decay and body_lr and rates)"


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "full", "lr": 0},
        {"kind": "full", "lr": 1.5},
        {"kind": "full", "lr": "fast"},
        {"kind": "full", "head_lr": -1e-3},
        {"kind": "full", "decay": 0.9},
        {"kind": "partial", "freeze_layers": -1},
        {"kind": "partial", "freeze_layers": 1.5},
        {"kind": "partial", "freeze_fraction": 1.01},
        {"kind": "partial", "freeze_patterns": []},
        {"kind": "partial", "freeze_patterns": [""]},
        {"kind": "partial", "train_last_tensors": 0},
        {"kind": "adaptive", "decay": 0},
        {"kind": "adaptive", "decay": 1.01},
        {"kind": "adaptive", "body_lr": 0},
        {"kind": "adaptive", "rates": {}},
        {"kind": "adaptive", "rates": {"*": 0}},
        {"kind": "adaptive", "rates": {"": 0.1}},
        {"kind": "probe_then_full", "head_share": 0},
        {"kind": "probe_then_full", "head_share": 1},
        {"kind": "probe_then_full", "decay": 0.9},
        {"kind": "gradual", "unfreeze_share": 0},
        {"kind": "gradual", "unfreeze_share": 1},
        {"kind": "gradual", "decay": 0},
        {"kind": "norms_and_biases", "freeze_layers": 1},
        {"kind": "lora", "rank": 0},
        {"kind": "lora", "alpha": 0},
        {"kind": "lora", "dropout": 1},
        {"kind": "lora", "modules": []},
        {"kind": "lora", "modules": "all"},
        {"kind": "frozen"},
        {},
    ],
)
def test_what_is_out_of_range_or_says_nothing_is_refused(content):
    with pytest.raises(ValidationError):
        read(**content)
