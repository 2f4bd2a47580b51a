import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tasks import train
from tests.tasks.training_folder import LABELS, context, fill, write_plan, write_sweep
from tritune.errors import InputError
from tritune.models.load import empty_model
from tritune.objectives import single_label
from tritune.pipeline.context import StageContext
from tritune.plan.make import make_plan
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import LoraSettings
from tritune.sweep.result import Sweep
from tritune.training.progress import EpochProgress, parse_progress

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, topic_rows, monkeypatch) -> Path:
    """A folder with base, tokens and a plan that freezes the embeddings, as the stages before leave them."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, tiny_base, topic_rows)
    return tmp_path


def training_context(project: Path, scratch: str = "scratch", **params) -> StageContext:
    return context(
        project / scratch,
        "train@m-13",
        ["base", "data/ingested", "data/tokens", "plans/m", "sweeps/m"],
        ["checkpoints/m-13", "histories/m-13.parquet"],
        **params,
    )


def outputs(project: Path, scratch: str = "scratch") -> Path:
    return project / scratch / "outputs"


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_checkpoint_loads_with_transformers_and_knows_its_labels(project, topic_rows):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    train.run(training_context(project, train={"epochs": 12}))
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


def test_two_runs_give_the_same_bytes(project):
    train.run(training_context(project, "one"))
    train.run(training_context(project, "two"))
    assert hashes(outputs(project, "one")) == hashes(outputs(project, "two"))


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


def without_dropout(project: Path) -> None:
    base = (project / "base").resolve()
    (project / "base").unlink()
    shutil.copytree(base, project / "base")
    path = project / "base/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True])
@pytest.mark.parametrize("embeddings_learn", [False, True])
def test_two_processes_leave_the_model_that_one_leaves(project, capfd, embeddings_learn, shard):
    without_dropout(project)
    write_plan(project, embeddings_learn=embeddings_learn)
    train.run(training_context(project, "one"))
    for scratch in ("two", "again"):
        capfd.readouterr()
        ctx = training_context(project, scratch, compute={"processes": 2, "shard": shard})
        train.run(ctx)
        lines = [parse_progress(line) for line in capfd.readouterr().out.splitlines()]
        assert sum(isinstance(line, EpochProgress) for line in lines) == 3
    assert hashes(outputs(project, "two")) == hashes(outputs(project, "again"))
    assert ctx.measurements["processes"] == 2
    assert ctx.measurements["peak_memory_bytes"] > 2e8
    one, two = (
        load_file(outputs(project, name) / "checkpoints/m-13/model.safetensors") for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        if ".embeddings." in name and not embeddings_learn:
            assert torch.equal(two[name], tensor)
        elif not name.endswith("key.bias"):  # whose gradient is rounding
            assert float((two[name] - tensor).norm()) <= 1e-3 * float(tensor.norm()), name
    other, own = (
        pq.read_table(outputs(project, name) / "histories/m-13.parquet").column("train_loss").to_pylist()
        for name in ("one", "two")
    )
    assert own == pytest.approx(other, rel=1e-5)


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


def test_time_spent_before_a_kill_counts(project, monkeypatch):
    class Killed(Exception):
        pass

    def save_then_die(folder, state, *, extra, **more):
        original(folder, state, extra={**extra, "seconds": 100.0}, **more)
        raise Killed

    original = train.save_checkpoint
    monkeypatch.setattr(train, "save_checkpoint", save_then_die)
    monkeypatch.setattr(train, "SHARE_FOR_SAVING", 1e9)
    with pytest.raises(Killed):
        train.run(training_context(project))
    monkeypatch.setattr(train, "save_checkpoint", original)
    ctx = training_context(project)
    train.run(ctx)
    assert ctx.notes["resumed_from_step"] == 13
    assert ctx.measurements["seconds"] > 100
    train.run(training_context(project, "whole"))
    assert hashes(outputs(project)) == hashes(outputs(project, "whole"))


def test_out_of_memory_ends_with_advice_and_goes_on_with_the_setting_that_keeps_the_result(
    project, monkeypatch
):
    def short_of_memory(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls == 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*arguments, **named)

    calls, original = 0, single_label.loss_sum
    monkeypatch.setattr(single_label, "loss_sum", short_of_memory)
    monkeypatch.setattr(train, "SHARE_FOR_SAVING", 1e9)
    with pytest.raises(InputError) as error:
        train.run(training_context(project))
    assert str(error.value) == (
        "the training ran out of memory; set compute.recompute_activations: true (the same result in more "
        "time; what was begun goes on); or set train.batch_size below 8, set tokenize.max_length lower, or "
        "freeze more layers (kind: partial). `tritune estimate` tells what fits"
    )
    ctx = training_context(project, compute={"recompute_activations": True})
    train.run(ctx)
    assert ctx.notes["resumed_from_step"] == 13
    train.run(training_context(project, "whole"))
    assert hashes(outputs(project)) == hashes(outputs(project, "whole"))


DRIVER = """
import sys
from pathlib import Path
from tasks import train
DATA = ("data/ingested", "data/tokens")
from tritune.pipeline.context import StageContext
train.SECONDS_BETWEEN_SAVES = 0.05
train.SHARE_FOR_SAVING = 1e9
ctx = StageContext(
    stage="train@m-13", item={"method": "m", "seed": "13"},
    params={"task": "text_classification", "train": {"epochs": 12, "batch_size": 8, "patience": 12},
            "compute": {"threads": 1, "precision": "fp32", "device": "cpu", "processes": int(sys.argv[2]),
                        "shard": sys.argv[3] == "shard"}},
    inputs={name: Path(name) for name in ("base", *DATA, "plans/m", "sweeps/m")},
    outputs=("checkpoints/m-13", "histories/m-13.parquet"), scratch=Path(sys.argv[1]),
)
train.run(ctx)
print("notes", ctx.notes.get("resumed_from_step", 0))
"""


def start(project: Path, scratch: str, *, processes: int = 1, shard: bool = False) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, scratch, str(processes), "shard" if shard else "whole"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("embeddings_learn", "several"),
    [
        (True, {}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((False, {}), (True, {"processes": 2}), (False, {"processes": 2, "shard": True}))
        ),
    ],
)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(project, embeddings_learn, several):
    write_plan(project, embeddings_learn=embeddings_learn)
    train.run(training_context(project, "whole", train={"epochs": 12, "patience": 12}, compute=several))
    draw = np.random.RandomState(int(time.time()))
    kills = 0
    for _ in range(2):
        process = start(project, "killed", **several)
        folder = project / "killed" / "training"
        before = {path.name for path in folder.glob("step-*")}
        while process.poll() is None and {path.name for path in folder.glob("step-*")} <= before:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    last = start(project, "killed", **several)
    said, _ = last.communicate(timeout=500)
    assert last.returncode == 0
    assert int(said.split()[-1]) > 0
    assert hashes(outputs(project, "killed")) == hashes(outputs(project, "whole"))


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
