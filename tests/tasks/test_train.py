"""What a training leaves: checkpoint, history and measurements, and what it refuses."""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tasks import train
from tests.tasks.training_folder import (
    LABELS,
    hashes,
    outputs,
    project,
    training_context,
    write_plan,
    write_sweep,
)
from tritune.errors import InputError
from tritune.models.load import empty_model
from tritune.plan.make import make_plan
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import LoraSettings
from tritune.sweep.result import Sweep
from tritune.training.progress import EpochProgress, parse_progress


def test_the_checkpoint_loads_with_transformers_and_knows_its_labels(project, topic_rows):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    train.run(training_context(project, train={"epochs": 12, "patience": 12}))
    folder = outputs(project) / "checkpoints/m-13"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: index for index, label in enumerate(LABELS)}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == 16
    texts, labels = zip(*topic_rows[:30], strict=True)
    answers = pipeline("text-classification", model=model, tokenizer=tokenizer)(list(texts))
    right = sum(answer["label"] == label for answer, label in zip(answers, labels, strict=True))
    assert right >= 27
    assert not [path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]


def test_no_path_of_this_machine_is_written(project):
    train.run(training_context(project))
    for path in outputs(project).rglob("*"):
        if path.is_file():
            assert str(project).encode() not in path.read_bytes(), path
            assert str((project / "base").resolve()).encode() not in path.read_bytes(), path


def test_frozen_tensors_have_the_bases_bytes(project):
    train.run(training_context(project))
    base = load_file(project / "base/model.safetensors")
    trained = load_file(outputs(project) / "checkpoints/m-13/model.safetensors")
    for name, tensor in base.items():
        same = (
            tensor.numpy().tobytes() == trained[f"bert.{name}"].numpy().tobytes()
            if f"bert.{name}" in trained
            else None
        )
        if same is not None:
            assert same == name.startswith("embeddings."), name


def test_of_learning_embeddings_the_whole_matrix_is_written(project, capsys):
    write_plan(project, embeddings_learn=True)
    train.run(training_context(project))
    # Of the 32 tokens only the unknown one is in no text.
    assert "31 of the embedding's 32 rows occur in the data and learn" in capsys.readouterr().out
    base = load_file(project / "base/model.safetensors")["embeddings.word_embeddings.weight"]
    trained = load_file(outputs(project) / "checkpoints/m-13/model.safetensors")
    learned = trained["bert.embeddings.word_embeddings.weight"]
    assert learned.shape == base.shape
    change = (learned - base).abs().max(dim=1).values
    assert 0 < change[1] < 1e-3 < change[4:].min()


def test_the_history_has_a_row_an_epoch_and_one_best(project):
    train.run(training_context(project))
    table = pq.read_table(outputs(project) / "histories/m-13.parquet")
    assert table.column_names[:5] == ["epoch", "step", "learning_rate", "train_loss", "validation_loss"]
    assert table.column_names[-1] == "best"
    assert {"train_slice_loss", "train_slice_macro_f1"} <= set(table.column_names)
    # A hundred training rows are as many as there are: the slice is all of them.
    assert table.column("train_slice_examples").to_pylist() == [100, 100, 100]
    for split in ("validation", "train_slice"):
        parts = table.column(f"{split}_loss_parts").to_pylist()
        assert [sum(part) for part in parts] == pytest.approx(table.column(f"{split}_loss").to_pylist())
    assert table.column("epoch").to_pylist() == [1, 2, 3]
    assert table.column("step").to_pylist() == [13, 26, 39]
    best = table.column("best").to_pylist()
    assert sum(best) == 1
    scores = table.column("validation_macro_f1").to_pylist()
    assert best.index(True) == scores.index(max(scores))
    assert str(table.schema.field("epoch").type) == "int32"
    assert str(table.schema.field("train_loss").type) == "double"


def test_it_trains_at_the_rates_that_the_sweep_found(project, capsys):
    write_plan(project, lr=5e-3)
    train.run(training_context(project, "planned"))
    write_plan(project, lr=2.5e-3)
    write_sweep(project, Sweep(reason="twice is better", factor=2.0))
    train.run(training_context(project, "swept"))
    assert "peak learning rate 5.00e-03: twice is better" in capsys.readouterr().out
    assert hashes(outputs(project, "swept")) == hashes(outputs(project, "planned"))


def test_measurements_say_what_it_cost(project, capsys):
    ctx = training_context(project)
    train.run(ctx)
    assert ctx.measurements["parameters_trainable"] == 123
    assert ctx.measurements["device"] == "cpu"
    assert ctx.measurements["threads"] == 1
    assert ctx.measurements["seconds"] > 0
    assert ctx.measurements["examples_per_second"] > 0
    assert "resumed_from_step" not in ctx.notes
    lines = [parse_progress(line) for line in capsys.readouterr().out.splitlines()]
    epochs = [line for line in lines if isinstance(line, EpochProgress)]
    assert [line.epoch for line in epochs] == [1, 2, 3]
    assert {"train_loss", "validation_loss", "accuracy", "macro_f1"} <= epochs[0].scores.keys()


def test_a_training_that_learns_nothing_says_so(project, capsys):
    write_plan(project, lr=1e-9)
    ctx = training_context(project)
    train.run(ctx)
    said = capsys.readouterr().out
    assert "warning: the training loss ended at" in said
    assert len(ctx.notes["warnings"]) >= 1
    metadata = pq.read_schema(outputs(project) / "histories/m-13.parquet").metadata
    assert json.loads(metadata[b"warnings"]) == ctx.notes["warnings"]


def test_a_plan_of_another_model_is_refused(project):
    write_plan(project, leave_out="classifier.bias")
    with pytest.raises(InputError) as error:
        train.run(training_context(project))
    assert str(error.value) == (
        "plans/m/plan.json is not a plan for the model in base: they differ in 'classifier.bias' "
        "and 0 more tensors; run `dvc repro prepare@m` to make it anew"
    )


def test_tokens_of_another_task_are_refused(project):
    path = project / "data/tokens/tokens.json"
    path.write_text(path.read_text().replace("text_classification", "question_answering"))
    with pytest.raises(
        InputError, match=r"holds the task question_answering, but params.yaml has task: text_cl"
    ):
        train.run(training_context(project))


def write_lora_plan(project: Path, *, modules: str | list[str] = "auto") -> TuningPlan:
    model, new = empty_model(project / "base", objective="single_label", labels=LABELS)
    settings = LoraSettings(kind="lora", rank=4, lr=5e-3, modules=modules)
    plan = make_plan(model, settings, new_tensors=new, key="method.m")
    (project / "plans/m/plan.json").write_text(plan.to_json())
    return plan


def test_a_training_with_adapters_leaves_a_plain_checkpoint(project):
    from transformers import AutoModelForSequenceClassification

    write_lora_plan(project)
    train.run(training_context(project))
    folder = outputs(project) / "checkpoints/m-13"
    model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.tritune["frozen_layers"] == 0
    base = load_file(project / "base/model.safetensors")
    trained = load_file(folder / "model.safetensors")
    for name, tensor in base.items():
        if f"bert.{name}" in trained:
            linear = tensor.ndim == 2 and not name.startswith("embeddings.")
            assert torch.equal(tensor, trained[f"bert.{name}"]) != linear, name
    before = hashes(outputs(project))
    train.run(training_context(project, "again"))
    assert hashes(outputs(project, "again")) == before


def test_below_the_lowest_adapter_the_layers_run_once(project, capsys):
    write_lora_plan(project, modules=["*.layer.2.*"])
    train.run(training_context(project))
    assert "the 2 lowest layers hold still and run once" in capsys.readouterr().out
    config = json.loads((outputs(project) / "checkpoints/m-13/config.json").read_text())
    assert config["tritune"]["frozen_layers"] == 2
