import io
import json

import pytest
from rich.console import Console

from flows.summary import ASKING, comparison_rows, show_next_commands, show_results, verdict
from tritune.task.contract import TASKS


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


@pytest.fixture
def compared(tmp_path):
    names = ("full", "partial", "adaptive")
    scores = {"validation": {"macro_f1": 0.9123}, "test": {"macro_f1": 0.8123}}
    comparison = {
        "metric": "macro_f1",
        "chosen": {"method": "partial", "seed": 13},
        "reason": "partial ships: it has the highest validation macro F1, and it took the least compute",
        "methods": [{"method": name, "parameters_trainable": 22_715_526, **scores} for name in names],
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results/comparison.json").write_text(json.dumps(comparison))
    return tmp_path


@pytest.mark.parametrize("width", [70, 100])
def test_the_table_and_the_verdict_are_readable_in_a_narrow_terminal(compared, width):
    file = io.StringIO()
    show_results(Console(file=file, width=width, force_terminal=True, color_system=None), compared)
    output = file.getvalue()
    assert "…" not in output
    assert all(len(line.rstrip()) <= width for line in output.splitlines())
    assert "partial *" in output
    words = output.split()
    assert {"parameters", "validation", "22,715,526", "0.9123", "highest", "compute"} <= set(words)


def test_a_command_stays_whole_in_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr("flows.summary.command", lambda name: f"/a/long/path/to/an/environment/bin/{name}")
    file = io.StringIO()
    show_next_commands(
        Console(file=file, width=60, force_terminal=True, color_system=None), task="text_classification"
    )
    assert '  echo "some text" | /a/long/path/to/an/environment/bin/tritune predict\n' in file.getvalue()
    file = io.StringIO()
    show_next_commands(Console(file=file, width=60), task="dialogue")
    assert "bin/tritune chat " in file.getvalue()
    assert "bin/tritune ui " in file.getvalue()
    assert "see this run and earlier ones in the browser\n" in file.getvalue()


def test_every_task_has_a_command_that_asks_its_model():
    assert set(ASKING) == set(TASKS)
