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


def run(name: str, seconds: float) -> dict:
    sizes = {"peak_memory_bytes": 2**30, "accuracy": 0.9, "macro_f1": 0.8}
    return {"name": name, "seconds": seconds, "seconds_with_setup": seconds + 1, **sizes}


def test_the_ratio_is_taken_pair_by_pair():
    runs = [run("tritune", 2.0), run("trainer", 6.0), run("trainer", 5.0), run("tritune", 1.0)]
    report = summary(runs, OPTIONS, {"train": 10})
    assert report["trainer_over_tritune"]["seconds"] == {"median": 4.0, "min": 3.0, "max": 5.0}
    assert report["median"]["tritune"]["seconds"] == 1.5
    table = markdown(report)
    assert "| seconds, training only | 1.5 | 5.5 | 4.00 (3.00 - 5.00) |" in table
    assert "| peak memory, MiB | 1024 | 1024 | 1.00 (1.00 - 1.00) |" in table


def test_the_page_names_every_figure_in_which_this_project_is_behind():
    slower = [run("tritune", 4.0), run("trainer", 2.0)]
    said = (
        "This project is behind Trainer in training seconds (Trainer takes 0.50 of ours), seconds with set-up"
    )
    assert said in markdown(summary(slower, OPTIONS, {"train": 10}))
    worse = [{**run("tritune", 1.0), "macro_f1": 0.7}, run("trainer", 1.0)]
    assert markdown(summary(worse, OPTIONS, {"train": 10})).endswith(
        "\nThis project is behind Trainer in test macro F1 (0.700 against 0.800).\n"
    )
    equal = [run("tritune", 1.0), run("trainer", 1.0)]
    assert "behind Trainer in none of these figures" in markdown(summary(equal, OPTIONS, {"train": 10}))


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
def test_both_trainings_run_on_ones_own_data(tmp_path, topics_csv, tiny_base):
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
    assert (tmp_path / "versus_trainer.md").read_text() in done.stdout
