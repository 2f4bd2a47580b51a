import argparse
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.versus_trainer import arguments, markdown, prepare_work, sample_rows, summary

ROOT = Path(__file__).parents[2]
OPTIONS = argparse.Namespace(epochs=1, batch_size=32, threads=1, lr=1e-3, seed=1, repeats=2, data=None)


def run(name: str, seconds: float, *, repeat: int = 0, method: str = "full", **changes: float) -> dict:
    sizes = {"peak_memory_bytes": 2**30, "accuracy": 0.9, "macro_f1": 0.8}
    costs = {"seconds": seconds, "seconds_with_setup": seconds + 1}
    return {"name": name, "method": method, "repeat": repeat, **costs, **sizes, **changes}


def test_the_ratio_is_taken_within_each_repeat():
    runs = [run("tritune", 2.0), run("trainer", 6.0), run("trainer_at_best", 3.0)]
    runs += [
        run("trainer", 5.0, repeat=1),
        run("trainer_at_best", 1.0, repeat=1),
        run("tritune", 1.0, repeat=1),
    ]
    report = summary(runs, OPTIONS, {"train": 10})
    full = report["methods"]["full"]
    assert full["over_tritune"]["trainer"]["seconds"] == {"median": 4.0, "min": 3.0, "max": 5.0}
    assert full["median"]["tritune"]["seconds"] == 1.5
    table = markdown(report)
    assert (
        "| full | Trainer, defaults | 5.5 | 4.00 (3.00 - 5.00) | 6.5 | 1024 | 1.00 (1.00 - 1.00) |" in table
    )
    assert "| full | Trainer at its best | 2.0 | 1.25 (1.00 - 1.50) |" in table


def test_the_page_names_every_figure_in_which_this_project_is_behind():
    def said(*runs: dict) -> str:
        return markdown(summary(list(runs), OPTIONS, {"train": 10})).splitlines()[-1]

    equal = [run(name, 4.0) for name in ("tritune", "trainer", "trainer_at_best")]
    assert said(*equal) == "This project is behind Trainer in none of these figures."
    slower = [equal[0], run("trainer", 2.0), equal[2]]
    assert "full: training seconds (Trainer, defaults takes 0.50 of ours); full: seconds with" in said(
        *slower
    )
    worse = [run("tritune", 4.0, macro_f1=0.7), equal[1], run("trainer_at_best", 4.0, macro_f1=0.6)]
    assert said(*worse) == (
        "This project is behind Trainer in full: test macro F1 (0.700 against 0.800 of Trainer, defaults)."
    )


def test_by_default_it_trains_on_two_thousand_rows(tmp_path, tiny_base, monkeypatch):
    monkeypatch.chdir(tmp_path)  # prepare_work goes to its folder
    monkeypatch.setattr(sys, "argv", ["versus_trainer", "--model", str(tiny_base)])
    counts = prepare_work(tmp_path, arguments())
    assert counts["train"] == 2000


def test_a_sample_keeps_every_class_and_the_order_of_rows(tmp_path):
    path = tmp_path / "train.parquet"
    labels = ["rare"] + ["common"] * 99
    pq.write_table(pa.table({"id": [f"{i:03d}" for i in range(100)], "label": labels}), path)
    sample_rows(path, 20, seed=0)
    sample = pq.read_table(path)
    assert sample.num_rows == 20
    assert "rare" in sample.column("label").to_pylist()
    assert sample.column("id").to_pylist() == sorted(sample.column("id").to_pylist())


@pytest.mark.slow
def test_all_methods_train_on_ones_own_data(tmp_path, topics_csv, tiny_base):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.versus_trainer", "--rows", "60", "--repeats", "1"),
            *("--threads", "1", "--data", topics_csv, "--model", tiny_base, "--out", tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "versus_trainer.json").read_text())
    assert report["work"]["rows"]["train"] == 60
    assert set(report["methods"]) == {"full", "partial", "adaptive"}
    assert len(report["runs"]) == 9
    assert (tmp_path / "versus_trainer.md").read_text() in done.stdout
