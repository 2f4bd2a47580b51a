"""`tritune remedy` reads what the last comparison found, and changes nothing."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.cli import main
from flows.summary import overfitting_lines
from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.settings.project import check_project
from tritune.sweep.result import Sweep

ROOT = Path(__file__).parents[2]
PLAN = TuningPlan(
    architecture="x",
    kind="full",
    groups=(Group("layer.0", ("a",), 1, 5e-4, True, None, 1.0),),
    phases=(Phase(0.0, ("layer.0",)),),
    new_tensors=(),
    layers=6,
    tensors_total=1,
    parameters_total=1,
    parameters_trainable=1,
    trained_compute_per_token=1.0,
    notes=(),
)


def finding(verdict: str, *, rise: float = 1.4) -> dict:
    return {
        "verdict": verdict,
        "onset": 1 if verdict == "overfitting" else None,
        "before": {"validation_loss": 1.0},
        "last": {"validation_loss": rise},
        "sentence": f"it is {verdict}, by {rise}.",
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own settings, and a comparison in which full overfits and partial does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "plans/full").mkdir(parents=True)
    (tmp_path / "plans/full/plan.json").write_text(PLAN.to_json())
    (tmp_path / "results").mkdir()
    scores = {"full": (100, 0.80), "partial": (25, 0.82)}
    write(
        tmp_path,
        {
            "metric": "macro_f1",
            "margin": 0.01,
            "methods": [
                {"method": name, "parameters_trainable": count, "validation": {"macro_f1": score}}
                for name, (count, score) in scores.items()
            ],
            "overfit_watch": {
                "methods": {
                    "full": {
                        "13": finding("overfitting"),
                        "21": finding("overfitting", rise=1.9),
                        "34": finding("healthy", rise=9.0),
                    },
                    "partial": {"13": finding("healthy")},
                }
            },
        },
    )
    return tmp_path


def write(project: Path, comparison: dict) -> None:
    (project / "results/comparison.json").write_text(json.dumps(comparison))


def test_remedies_are_ranked_with_reasons_and_ready_entries(project, capsys):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert main(["remedy", "full"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("it is overfitting, by 1.9.\n\nWhat to try, the most promising first;")
    assert (
        "1. freeze more: the 3 lowest of 6 layers: in partial 25% as many parameters learn, and it does not "
        "overfit on the same rows (validation macro F1 0.8200 against 0.8000).\n"
    ) in out
    assert (
        "\n2. learn more slowly: a third of the rate: the validation loss was lowest in epoch 1 of 3" in out
    )
    entries = [YAML(typ="safe").load(part) for part in entries_of(out)]
    assert entries[0] == {
        "methods": ["full", "partial", "adaptive", "full_frozen"],
        "method": {"full_frozen": {"kind": "partial", "lr": "auto", "freeze_layers": 3}},
    }
    assert entries[1]["method"]["full_slower"] == {"kind": "full", "lr": 1.7e-4}
    assert entries[-1] == {"train": {"epochs": 1}}
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


def entries_of(printed: str) -> list[str]:
    """The indented blocks."""
    return ["\n".join(block) for block in _blocks(printed.splitlines())]


def _blocks(lines: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("     "):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def test_each_entry_put_into_params_yaml_is_a_project(project, capsys):
    assert main(["remedy", "full"]) == 0
    for text in entries_of(capsys.readouterr().out):
        content = YAML(typ="safe").load((project / "params.yaml").read_text())
        for section, value in YAML(typ="safe").load(text).items():
            content[section] = {**content[section], **value} if isinstance(value, dict) else value
        check_project(content)


def test_a_method_that_scores_worse_is_no_evidence_for_freezing(project, capsys):
    comparison = json.loads((project / "results/comparison.json").read_text())
    comparison["methods"][1]["validation"]["macro_f1"] = 0.78
    write(project, comparison)
    assert main(["remedy", "full"]) == 0
    out = capsys.readouterr().out
    assert "\n1. learn more slowly" in out
    assert "in partial" not in out


@pytest.mark.usefixtures("project")
def test_a_method_that_does_not_overfit_needs_none(capsys):
    assert main(["remedy", "partial"]) == 0
    assert capsys.readouterr().out == "it is healthy, by 1.4.\n"


def refused(capsys, *arguments: str) -> str:
    assert main(["remedy", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_an_unknown_method_is_named(capsys):
    assert refused(capsys, "ful") == (
        "error: there is no method ful in params.yaml; did you mean full?; defined are full, partial, "
        "adaptive\n"
    )


def test_without_a_comparison_there_is_nothing_to_rank_by(project, capsys):
    (project / "results/comparison.json").unlink()
    assert refused(capsys, "full") == (
        "error: results/comparison.json is not there yet, and remedies are ranked by what a training showed; "
        "make it with `tritune run`, then try again\n"
    )


def test_a_comparison_of_an_earlier_version_is_said_to_be_one(project, capsys):
    write(project, {"metric": "macro_f1", "methods": []})
    assert refused(capsys, "full") == (
        "error: results/comparison.json was made by a version that did not watch for overfitting; make it "
        "anew with `tritune run`, then try again\n"
    )


@pytest.mark.usefixtures("project")
def test_a_method_that_was_not_compared_is_said_to_be_missing(capsys):
    assert refused(capsys, "adaptive") == (
        "error: results/comparison.json does not know the method adaptive, only full, partial; list it under "
        "`methods` in params.yaml and `tritune run`, then try again\n"
    )


def test_a_missing_plan_is_said_to_be(project, capsys):
    (project / "plans/full/plan.json").unlink()
    assert refused(capsys, "full") == (
        "error: plans/full/plan.json is missing; make it with `dvc repro prepare@full`\n"
    )


def test_a_swept_rate_is_lowered_from_what_the_sweep_found(project, capsys):
    yaml = YAML()
    content = yaml.load((project / "params.yaml").read_text())
    content["method"]["full"]["lr"] = "sweep"
    yaml.dump(content, project / "params.yaml")
    assert refused(capsys, "full") == (
        "error: sweeps/full/sweep.json is missing; make it with `dvc repro sweep@full`\n"
    )
    (project / "sweeps/full").mkdir(parents=True)
    (project / "sweeps/full/sweep.json").write_text(Sweep(reason="found", factor=3.0).to_json())
    assert main(["remedy", "full"]) == 0
    entries = [YAML(typ="safe").load(part) for part in entries_of(capsys.readouterr().out)]
    # A third of three times the plan's rate.
    assert entries[1]["method"]["full_slower"] == {"kind": "full", "lr": 5e-4}
    assert entries[0]["method"]["full_frozen"]["lr"] == "sweep"


def test_a_run_ends_with_one_line_for_each_method_that_overfits(project):
    assert overfitting_lines(project) == [
        "full overfits after epoch 1 with 2 of 3 seeds: tritune remedy full"
    ]
    write(project, {"metric": "macro_f1", "methods": []})
    assert overfitting_lines(project) == []
