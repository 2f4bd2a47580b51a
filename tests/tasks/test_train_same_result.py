"""A training gives the same result anew: in another run, after it was killed, in several processes."""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

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
from tests.tasks.training_folder import hashes, outputs, project, training_context, write_plan
from tritune.errors import InputError
from tritune.objectives import single_label
from tritune.training.progress import EpochProgress, parse_progress

ROOT = Path(__file__).parents[2]


def test_two_runs_give_the_same_bytes(project):
    train.run(training_context(project, "one"))
    train.run(training_context(project, "two"))
    assert hashes(outputs(project, "one")) == hashes(outputs(project, "two"))


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
