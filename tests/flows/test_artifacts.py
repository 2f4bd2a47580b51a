import json

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from flows.artifacts import epoch_rows, plan_rows, plan_title, report_text, run_name
from tritune.pipeline.dag import Stage


def stages(*stale: str) -> list[Stage]:
    names = ("fetch", "train@full-1", "train@full-2", "train@top-two-1", "compare")
    return [Stage(name, (), reasons=("x changed",) if name in stale else ()) for name in names]


@pytest.mark.parametrize(
    ("stale", "source", "name"),
    [
        (("train@full-1", "train@full-2", "compare"), "data/topics.csv", "train full on topics.csv"),
        (("fetch", "train@full-1", "train@top-two-1"), "hub:a/b@123", "train full, top-two on a/b"),
        (("compare",), "package:corpus/data/english", "compare on corpus/data/english"),
        ((), "topics.csv", "nothing stale on topics.csv"),
    ],
)
def test_a_run_s_name_says_what_it_has_to_do(stale, source, name):
    assert run_name(stages(*stale), source=source) == name


def test_a_run_s_name_stays_short():
    many = [Stage(f"train@m{number}-1", (), reasons=("new",)) for number in range(7)]
    assert run_name(many, source="a.csv") == "train m0, m1, m2, m3 and 3 more on a.csv"


def test_the_plan_says_why():
    plan = [Stage("a", ()), Stage("b", ("a",), reasons=("x changed", "y changed"))]
    assert plan_title(plan) == "1 of 2 stages may have work to do, and why"
    assert [list(row.values()) for row in plan_rows(plan)] == [
        ["a", "up to date", ""],
        ["b", "stale", "x changed; y changed"],
    ]


@pytest.fixture
def results(tmp_path):
    method = {"method": "top_two", "validation": {"macro_f1": 0.5}, "test": {"macro_f1": 0.25}}
    comparison = {
        "metric": "macro_f1",
        "chosen": {"method": "top_two", "seed": 1},
        "reason": "top_two ships: because",
        "warnings": ["top_two was <still> learning"],
        "methods": [{**method, "parameters_trainable": 7, "seeds": [{"seed": 1}, {"seed": 2}]}],
    }
    for folder in ("results", "histories"):
        (tmp_path / folder).mkdir()
    (tmp_path / "results/comparison.json").write_text(json.dumps(comparison))
    epoch = {"epoch": 1, "train_loss": 0.7, "validation_loss": 0.8, "validation_macro_f1": 0.5, "best": True}
    write_table(pa.Table.from_pylist([epoch]), tmp_path / "histories/top_two-1.parquet")
    return tmp_path


def test_learning_curves_are_rows_of_the_trainings_that_are_there(results):
    assert epoch_rows(results) == [
        {
            "method": "top_two",
            "seed": "1",
            "epoch": "1",
            "training loss": "0.7000",
            "validation loss": "0.8000",
            "validation macro F1": "0.5000",
            "weights kept": "yes",
        }
    ]


def test_the_report_is_markdown_in_which_names_are_only_text(results):
    (results / "results/report.html").touch()
    text = report_text(results, registered="classifier v0.0.1; share it with `dvc push`")
    assert text.startswith("**top\\_two ships: because**\n")
    assert "| top\\_two \\* | 7 | – | – | 0.5000 | 0.2500 |" in text
    assert "- top\\_two was \\<still\\> learning\n" in text
    assert "Registered: classifier v0.0.1; share it with `dvc push`" in text
    assert f"```\n{results / 'results/report.html'}\n```" in text


def test_without_a_comparison_there_is_nothing_to_show(tmp_path):
    assert epoch_rows(tmp_path) == []
    assert report_text(tmp_path, registered=None) == ""
