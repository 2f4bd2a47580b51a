"""What the comparison chooses, says, warns of and refuses."""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

import csv
import json
import os
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

from tests.tasks import fabricated
from tests.tasks.compared import compare, project
from tritune.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("project")
def test_chooses_and_says_why():
    content, page = compare()
    assert content["chosen"] == {"method": "partial", "seed": 13}
    assert content["reason"].startswith("partial ships: its validation macro F1")
    assert content["reason"].replace("'", "&#39;") in page
    assert content["rows"] == {"train": 900, "validation": 150, "test": 220}
    full = content["methods"][0]
    assert full["method"] == "full"
    assert full["trained_compute"] == 9.1e6 * 14 * 900 * 3
    assert full["seeds"][0]["best_epoch"] == 3
    assert (
        full["seeds"][0]["validation"] == json.loads(Path("metrics/full-13.json").read_text())["validation"]
    )


@pytest.mark.usefixtures("project")
def test_changed_test_scores_change_no_choice():
    before, _ = compare()
    for path in Path("metrics").iterdir():
        scores = json.loads(path.read_text())
        scores["test"] = {metric: 1.0 - value / 100 for metric, value in scores["test"].items()}
        if path.stem == "partial-13":
            scores["test"] = dict.fromkeys(scores["test"], 0.0)
        path.write_text(json.dumps(scores))
    after, _ = compare()
    assert after["methods"][1]["test"]["macro_f1"] == 0.0
    assert (after["chosen"], after["reason"]) == (before["chosen"], before["reason"])


@pytest.mark.usefixtures("project")
def test_the_csv_has_a_row_per_method():
    compare()
    with Path("scratch/outputs/results/comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["chosen"]) for row in rows] == [
        ("full", "false"),
        ("partial", "true"),
        ("adaptive", "false"),
    ]


@pytest.mark.usefixtures("project")
def test_what_is_not_listed_is_ignored_and_left_alone():
    content, page = compare(methods=("full", "adaptive"))
    assert content["chosen"]["method"] == "full"
    assert [one["method"] for one in content["methods"]] == ["full", "adaptive"]
    assert "partial" not in page.split("</style>")[1]
    assert Path("metrics/partial-13.json").exists()


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            "metrics/adaptive-13.json",
            "metrics/adaptive-13.json is missing: methods and seeds in params.yaml list adaptive with seed "
            "13; make it with `dvc repro evaluate@adaptive-13`",
        ),
        (
            "evaluations/full-13/changes.json",
            "evaluations/full-13/changes.json is missing: methods and seeds in params.yaml list full with "
            "seed 13; make it with `dvc repro evaluate@full-13`",
        ),
        ("histories/full-13.parquet", "make it with `dvc repro train@full-13`"),
        (
            "plans/full/plan.json",
            "plans/full/plan.json is missing; make it with `dvc repro prepare@full`",
        ),
        (
            "sweeps/full/sweep.json",
            "sweeps/full/sweep.json is missing; make it with `dvc repro sweep@full`",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_missing_result_is_named(gone, message):
    Path(gone).unlink()
    with pytest.raises(InputError) as error:
        compare()
    assert message in str(error.value)


@pytest.mark.usefixtures("project")
def test_a_score_that_is_no_number_is_named():
    path = Path("metrics/full-13.json")
    scores = json.loads(path.read_text())
    scores["validation"]["accuracy"] = float("nan")
    path.write_text(json.dumps(scores))
    with pytest.raises(InputError) as error:
        compare()
    assert str(error.value) == (
        "metrics/full-13.json: validation.accuracy must be a finite number (got nan); "
        "make the file anew with `dvc repro -f -s evaluate@full-13`"
    )


def test_a_model_that_has_learnt_nothing_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, skill={"full": 0.0})
    content, page = compare(methods=("full",))
    assert content["warnings"][0].startswith("full is not clearly better than always answering 'billing'")
    assert "Before you trust it" in page


@pytest.mark.usefixtures("project")
def test_warnings_of_the_trainings_are_passed_on_once():
    import pyarrow.parquet as pq

    for method in ("full", "partial"):
        path = Path(f"histories/{method}-13.parquet")
        table = pq.read_table(path).replace_schema_metadata({"warnings": '["the loss did not fall"]'})
        pq.write_table(table, path)
    assert "full, partial: the loss did not fall" in compare()[0]["warnings"]


@pytest.mark.usefixtures("project")
def test_a_method_that_overfits_is_told_marked_and_kept_as_numbers():
    fabricated.overfit(Path("histories/full-13.parquet"))
    content, page = compare()
    (sentence,) = [one for one in content["warnings"] if one.startswith("full overfits")]
    assert "from epoch 2 to 3 its validation loss rises from 0.500 to 0.900" in sentence
    found = content["overfit_watch"]
    assert found["monitor"] == "macro_f1"
    assert {name: one["13"]["verdict"] for name, one in found["methods"].items()} == {
        "full": "overfitting",
        "partial": "healthy",
        "adaptive": "healthy",
    }
    assert found["methods"]["full"]["13"]["onset"] == 2
    assert found["methods"]["full"]["13"]["sentence"] == sentence
    assert page.count(str(escape(sentence))) == 2  # before the page is trusted, and beside the curves
    assert "the validation loss rises from here on" in page
    assert "training rows: the same 100 examples after each epoch" in page
    assert "a gap alone is no harm" in page


@pytest.mark.usefixtures("project")
def test_histories_of_an_earlier_version_are_shown_with_the_running_loss():
    for path in Path("histories").iterdir():
        fabricated.forget_the_watch(path)
    content, page = compare()
    (finding,) = content["overfit_watch"]["methods"]["full"].values()
    assert (finding["loss_gap"], finding["metric_gap"]) == (None, None)
    assert "How they learnt" in page
    assert "after each epoch" not in page
    assert "a gap alone" not in page


def test_two_runs_give_the_same_bytes(project):
    compare(scratch="one")
    compare(scratch="two")
    for name in fabricated.OUTPUTS:
        assert (project / "one/outputs" / name).read_bytes() == (project / "two/outputs" / name).read_bytes()


def test_needs_no_torch(project):
    code = (
        "import sys, tasks.compare, tasks.select; "
        "assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project, env=environment)


def test_several_seeds_are_told_as_mean_and_spread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, seeds=(1, 2, 3), epochs=6)
    content, page = compare(seeds=(1, 2, 3), epochs=6)
    assert "(mean of 3 seeds)" in content["reason"]
    assert content["methods"][0]["validation_spread"]["accuracy"]["sd"] > 0
    assert "Mean over seeds ± standard deviation" in page
    assert "which seeds and which examples were scored" in page
    low, high = content["methods"][0]["validation_interval"]
    assert low < content["methods"][0]["validation"]["macro_f1"] < high
    assert [(one["first"], one["second"]) for one in content["differences"]] == [
        ("full", "partial"),
        ("full", "adaptive"),
        ("partial", "adaptive"),
    ]
    assert "full over partial" in page


def test_a_model_that_is_not_shown_to_beat_the_baseline_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, skill={"full": 1.0, "partial": 0.9, "adaptive": 0.8})
    content, page = compare()
    (warning,) = [one for one in content["warnings"] if "counted words" in one]
    baseline = content["baseline"]
    low, high = baseline["interval"]
    assert low <= 0 < high
    shipped = content["chosen"]["method"]
    assert warning == (
        f"{shipped} is not shown to be better than counted words, which takes seconds "
        f"and scores {baseline['validation']['macro_f1']:.4f} (macro F1, validation): the difference lies "
        f"between {low:+.4f} and {high:+.4f} with 95% confidence. Ship that, or look for more or cleaner "
        "data, a better base model or other learning rates."
    )
    assert "counted words" in page


@pytest.mark.usefixtures("project")
def test_a_model_that_beats_the_baseline_needs_no_warning():
    content, page = compare()
    assert content["baseline"]["interval"][0] > 0
    assert not [one for one in content["warnings"] if "counted words" in one]
    assert "against counted words, which takes seconds and no pretrained model" in page


def test_without_a_baseline_nothing_is_said_of_one(project):
    (project / "baseline/baseline.json").write_text("null")
    content, page = compare()
    assert content["baseline"] is None
    assert "takes seconds" not in page
