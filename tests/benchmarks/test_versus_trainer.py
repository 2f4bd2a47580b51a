import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from benchmarks.anonymous_memory import AnonymousMemory
from benchmarks.matrix_rate import needed_operations
from benchmarks.performance_page import markdown
from benchmarks.prepared import sample_rows
from benchmarks.speed_cases import CASES, texts_of
from benchmarks.versus_trainer import arguments, conditions_of, prepare_work, report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def options(tiny_base, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["versus_trainer", "--model", str(tiny_base), "--threads", "1"])
    return arguments()


@pytest.fixture
def conditions(options):
    return conditions_of(options)


def run(name: str, seconds: float, *, repeat: int = 0, case: str = "full", **changes: float) -> dict:
    sizes = {"peak_memory_bytes": 2**30, "accuracy": 0.9, "macro_f1": 0.8}
    costs = {"seconds": seconds, "seconds_with_setup": seconds + 1}
    rates = {"tokens_per_second": 600 / seconds, "peak_share": 0.5, "operations": 1e12}
    about = {"name": name, "case": case, "repeat": repeat, "rows": 2000}
    return {**about, **costs, **sizes, **rates, **changes}


def test_the_ratio_is_taken_within_each_repeat(conditions):
    runs = [run("tritune", 2.0), run("trainer", 6.0), run("trainer_at_best", 3.0)]
    runs += [
        run("trainer", 5.0, repeat=1),
        run("trainer_at_best", 1.0, repeat=1),
        run("tritune", 1.0, repeat=1),
    ]
    found = report(runs, conditions)
    full = found["cases"]["full"]
    assert full["over_tritune"]["trainer"]["seconds"] == {"median": 4.0, "min": 3.0, "max": 5.0}
    assert full["median"]["tritune"]["seconds"] == 1.5
    table = markdown(found)
    assert (
        "| full; 2,000 short texts, 3 epochs, 2 repeats | this project | 1.5 |  | 2.5 | 450 | 50% |" in table
    )
    assert "|  | Trainer, defaults | 5.5 | 4.00 (3.00 - 5.00) | 6.5 | 110 | 50% | 1024 | 1.00 (1.00" in table
    assert "|  | Trainer at its best | 2.0 | 1.25 (1.00 - 1.50) |" in table


def test_where_layers_are_frozen_the_page_says_how_many_more_products_trainer_needs(conditions):
    runs = [run("tritune", 2.0, case="partial"), run("trainer", 9.0, case="partial", operations=1.5e12)]
    runs.append(run("trainer_at_best", 4.0, case="partial", operations=1.5e12))
    assert "more matrix products: in partial 1.50 times ours (whole layers counted)." in markdown(
        report(runs, conditions)
    )
    equal = [run(name, 2.0) for name in ("tritune", "trainer", "trainer_at_best")]
    assert "matrix products: in" not in markdown(report(equal, conditions))


def test_the_page_names_every_figure_in_which_this_project_is_behind(conditions):
    def said(*runs: dict) -> str:
        return markdown(report(list(runs), conditions)).splitlines()[-3]

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


def test_a_case_trains_on_as_many_rows_as_it_says(tmp_path, options, monkeypatch):
    monkeypatch.chdir(tmp_path)  # prepare_work goes to its folder
    assert prepare_work(tmp_path, CASES["full"], options)["train"] == 1000


def test_long_texts_are_many_times_as_long_and_of_the_same_topics():
    short, long = (list(texts_of(CASES[name])) for name in ("full", "full_long"))
    words = [np.mean([len(row["text"].split()) for row in rows]) for rows in (short, long)]
    assert words[1] > 8 * words[0]
    assert {row["label"] for row in long} <= {row["label"] for row in short}
    assert long == list(texts_of(CASES["full_long"]))


def test_a_sample_keeps_every_class_and_the_order_of_rows(tmp_path):
    path = tmp_path / "train.parquet"
    labels = ["rare"] + ["common"] * 99
    pq.write_table(pa.table({"id": [f"{i:03d}" for i in range(100)], "label": labels}), path)
    sample_rows(path, 20, seed=0)
    sample = pq.read_table(path)
    assert sample.num_rows == 20
    assert "rare" in sample.column("label").to_pylist()
    assert sample.column("id").to_pylist() == sorted(sample.column("id").to_pylist())


def test_memory_is_what_was_taken_since_the_watch_began_though_it_was_given_back():
    before = np.ones(2**27, dtype=np.uint8)
    memory = AnonymousMemory()
    taken = np.ones(2**28, dtype=np.uint8)  # large enough for pages of its own
    del taken
    peak = memory.peak()
    assert 0.9 * 2**28 < peak < 1.1 * 2**28
    del before


def test_what_a_pass_needs_is_what_torch_counts():
    config = BertConfig(num_hidden_layers=2, hidden_size=32, num_attention_heads=2, intermediate_size=64)
    model = BertModel(config, add_pooling_layer=False).train()
    ids = torch.randint(5, 20, (3, 7))
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids)
    forward = counter.get_total_flops()
    needed = partial(needed_operations, model, np.full(3, 7))
    assert needed() == 3 * forward
    assert needed(epochs=4) == 12 * forward
    # Of two layers the lower is frozen: it runs forward, in each epoch or once.
    assert needed(frozen=1, epochs=4) == 4 * forward / 2 + 12 * forward / 2
    assert needed(frozen=1, epochs=4, stored=True) == forward / 2 + 12 * forward / 2


@pytest.mark.slow
def test_all_methods_train_on_ones_own_data_and_what_was_done_is_kept(tmp_path, topics_csv, tiny_base):
    def bench(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.versus_trainer", "--rows", "60", "--repeats", "1"),
                *("--threads", "1", "--data", topics_csv, "--model", tiny_base, "--out", tmp_path),
                *("--page", tmp_path / "performance.md", "--cases", *more),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    assert bench("full").returncode == 0
    done = bench("full", "partial", "adaptive")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "versus_trainer.json").read_text())
    assert [one["rows"] for one in found["trainings"]] == [60] * 9
    assert set(found["cases"]) == {"full", "partial", "adaptive"}
    assert "full, this project" not in done.stdout
    assert (tmp_path / "performance.md").read_text() in done.stdout
