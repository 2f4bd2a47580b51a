import json
from pathlib import Path
from typing import Any

import pytest

from tasks.prepare import run
from tritune.errors import InputError
from tritune.pipeline.context import StageContext
from tritune.plan.tuning_plan import TuningPlan

LABELS = ["garden", "kitchen", "travel"]


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the stage reads: a base model and the labels of the tokens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").symlink_to(tiny_base)
    (tmp_path / "data/tokens").mkdir(parents=True)
    tokens = {"task": "text_classification", "labels": LABELS, "objective": "single_label"}
    (tmp_path / "data/tokens/tokens.json").write_text(json.dumps(tokens))
    return tmp_path


def prepare(settings: dict[str, Any], *, task: str = "text_classification") -> Path:
    context = StageContext(
        stage="prepare@mine",
        item={"method": "mine"},
        params={"task": task, "method.mine": settings},
        inputs={path: Path(path) for path in ("base", "data/tokens")},
        outputs=("plans/mine",),
        scratch=Path("scratch"),
    )
    run(context)
    return Path("scratch/outputs/plans/mine")


SETTINGS = [
    {"kind": "full"},
    {"kind": "partial", "freeze_fraction": 0.67},
    {"kind": "adaptive", "decay": 0.8, "head_lr": 1e-3},
    {"kind": "probe_then_full"},
    {"kind": "gradual", "decay": 0.8},
    {"kind": "norms_and_biases"},
    {"kind": "lora"},
]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("settings", SETTINGS)
def test_writes_the_plan_of_the_methods_kind_the_same_bytes_each_time(settings):
    folder = prepare(settings)
    assert [path.name for path in folder.iterdir()] == ["plan.json"]
    first = (folder / "plan.json").read_bytes()
    plan = TuningPlan.from_json(first.decode())
    assert (plan.kind, plan.architecture) == (settings["kind"], "BertForSequenceClassification")
    new = [name for name in plan.new_tensors if ".lora_" not in name]
    assert new == ["classifier.bias", "classifier.weight"]
    assert (len(plan.new_tensors) > 2) == (settings["kind"] == "lora")
    assert plan.layers == 3
    assert (prepare(settings) / "plan.json").read_bytes() == first


@pytest.mark.usefixtures("project")
def test_the_head_has_a_row_for_each_label():
    plan = TuningPlan.from_json((prepare({"kind": "full"}) / "plan.json").read_text())
    assert sum(g.parameters for g in plan.groups if g.name.startswith("head")) == 3 * 32 + 3


@pytest.mark.usefixtures("project")
def test_the_log_says_where_the_rate_comes_from(capsys):
    prepare({"kind": "partial", "freeze_layers": 2})
    assert "lr: auto gave 1.2e-03 from width 32, 1 of 3 layers learning" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_settings_that_do_not_fit_the_model_name_the_key_and_write_nothing():
    with pytest.raises(InputError, match=r"^method\.mine\.freeze_layers: the model has 3 layers \(got 9\)"):
        prepare({"kind": "partial", "freeze_layers": 9})
    assert not Path("scratch/outputs/plans/mine").exists()


@pytest.mark.usefixtures("project")
def test_tokens_of_another_task_are_a_programming_error():
    with pytest.raises(
        ValueError, match=r"data/tokens is for the task text_classification, params\.yaml says"
    ):
        prepare({"kind": "full"}, task="summarisation")
