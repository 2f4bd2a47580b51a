import json

from flows.summary import comparison_rows, plan_rows, verdict
from tritune.pipeline.dag import Stage


def test_what_was_not_measured_here_is_a_dash(tmp_path):
    comparison = {
        "metric": "accuracy",
        "chosen": {"method": "full", "seed": 1},
        "reason": "full ships: because",
        "methods": [
            {"method": "full", "parameters_trainable": 1234567, "validation": {"accuracy": 0.9}, "test": {}},
            {"method": "partial", "validation": {"accuracy": 0.8}, "test": {"accuracy": 0.7}},
        ],
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results/comparison.json").write_text(json.dumps(comparison))
    (tmp_path / "measurements").mkdir()
    for seed, seconds, peak in ((1, 10, 2**20), (2, 20, 3 * 2**20)):
        measured = {"seconds": seconds, "peak_memory_bytes": peak}
        (tmp_path / f"measurements/train@full-{seed}.json").write_text(json.dumps(measured))
    full, partial = comparison_rows(tmp_path)
    assert list(full.values()) == ["full *", "1,234,567", "15.0", "3 MiB", "0.9000", "–"]
    assert list(partial.values()) == ["partial", "–", "–", "–", "0.8000", "0.7000"]
    assert verdict(tmp_path) == "full ships: because"


def test_without_a_comparison_there_is_nothing_to_show(tmp_path):
    assert comparison_rows(tmp_path) == []
    assert verdict(tmp_path) == ""


def test_the_plan_says_why():
    stages = [Stage("a", ()), Stage("b", ("a",), reasons=("x changed", "y changed"))]
    assert [list(row.values()) for row in plan_rows(stages)] == [
        ["a", "up to date", ""],
        ["b", "stale", "x changed; y changed"],
    ]
