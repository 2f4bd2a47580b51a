from pathlib import Path

from tritune.pipeline.dag import Stage
from tritune.pipeline.less_memory import less_memory


def test_only_trainings_are_made_smaller_by_settings(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "task: text_classification\ndata: {source: a.csv}\nmodel: {source: m}\nmethods: [full]\nseeds: [1]\n"
        "method: {full: {kind: full}}\n"
    )
    training = Stage("train@full-1", (), meta={"resource": "training"})
    assert less_memory(training, root=tmp_path).startswith("set compute.recompute_activations: true")
    evaluating = Stage("evaluate@full-1", (), meta={"resource": "training"})
    assert "recompute" not in less_memory(evaluating, root=tmp_path)
    (tmp_path / "params.yaml").write_text("task: being edited\n")
    assert less_memory(training, root=tmp_path).startswith("make the training smaller")
    assert less_memory(Stage("ingest", ()), root=tmp_path) == "end other programs, and run again"
