"""Remedies are trained aside; here what is asked for, and how the outcome is told."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.remedy_trial import list_methods, needed, trial_lines
from tritune.pipeline.dag import Stage
from tritune.remedies import Remedy
from tritune.settings.project import read_project

ROOT = Path(__file__).parents[2]


def test_the_trial_lists_the_method_and_its_remedies_and_keeps_all_else(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    before = YAML(typ="safe").load(path.read_text())
    slower = Remedy("slower", "because", "full_slower", {"kind": "full", "lr": 5e-5})
    list_methods(path, "full", [slower])
    after = YAML(typ="safe").load(path.read_text())
    assert after["methods"] == ["full", "full_slower"]
    assert after["method"].pop("full_slower") == {"kind": "full", "lr": 5e-5}
    assert after == {**before, "methods": ["full", "full_slower"]}
    assert read_project(path).method["full_slower"].lr == 5e-5


def stage(name: str, *needs: str) -> Stage:
    return Stage(name=name, needs=needs)


def test_only_what_the_comparison_needs_is_run():
    stages = [stage("fetch"), stage("train@a-1", "fetch"), stage("train@b-1", "fetch")]
    stages += [stage("compare", "train@a-1"), stage("select", "compare")]
    assert [one.name for one in needed(stages)] == ["fetch", "train@a-1", "compare"]


def compared(*, seeds: int, claimed: bool, interval: list[float] | None) -> dict:
    verdicts = {"full": "overfitting", "full_slower": "healthy"}
    return {
        "metric": "macro_f1",
        "methods": [
            {"method": name, "validation": {"macro_f1": score}, "seeds": [{}] * seeds}
            for name, score in (("full", 0.80), ("full_slower", 0.83))
        ],
        "differences": [
            {
                "first": "full",
                "second": "full_slower",
                "advantage": -0.03,
                "interval": interval,
                "claimed": claimed,
            }
        ],
        "overfit_watch": {
            "methods": {
                name: {str(seed): {"verdict": verdict} for seed in range(seeds)}
                for name, verdict in verdicts.items()
            }
        },
    }


LAST = "To take one over, copy its entry into params.yaml and `tritune run`, which finds it trained."


def test_each_remedy_is_told_beside_the_method_with_its_interval():
    assert trial_lines(compared(seeds=3, claimed=True, interval=[-0.05, -0.01]), "full") == [
        "validation macro F1, mean over 3 seeds:",
        "  full         0.8000; overfits with 3 of 3 seeds",
        "  full_slower  0.8300; does not overfit; +0.0300 over full (95% +0.0100 to +0.0500): better",
        LAST,
    ]


def test_what_is_not_claimed_is_not_shown_to_differ():
    lines = trial_lines(compared(seeds=3, claimed=False, interval=[-0.08, 0.02]), "full")
    assert lines[2].endswith("+0.0300 over full (95% -0.0200 to +0.0800): not shown to differ")


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        ([-0.08, 0.02], "+0.0300 over full (95% -0.0200 to +0.0800)"),
        (None, "+0.0300 over full"),
    ],
)
def test_with_few_seeds_nothing_is_claimed(interval, told):
    assert trial_lines(compared(seeds=1, claimed=False, interval=interval), "full") == [
        "validation macro F1, one seed:",
        "  full         0.8000; overfits",
        f"  full_slower  0.8300; does not overfit; {told}",
        "Fewer than 3 seeds show no difference: list more under `seeds` in params.yaml.",
        LAST,
    ]
