from pathlib import Path

from tritune.pipeline.less_memory import less_memory


def test_only_trainings_are_made_smaller_by_settings(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "task: text_classification\ndata: {source: a.csv}\nmodel: {source: m}\nmethods: [full]\nseeds: [1]\n"
        "method: {full: {kind: full}}\n"
    )
    training = {"resource": "training"}
    assert less_memory("train@full-1", training, root=tmp_path).startswith(
        "set compute.recompute_activations: true"
    )
    assert "recompute" not in less_memory("evaluate@full-1", training, root=tmp_path)
    (tmp_path / "params.yaml").write_text("task: being edited\n")
    assert less_memory("train@full-1", training, root=tmp_path).startswith("make the training smaller")
    assert less_memory("ingest", {}, root=tmp_path) == "end other programs, and run again"
