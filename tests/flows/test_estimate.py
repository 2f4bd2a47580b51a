import os
import signal

import pytest
from rich.console import Console

from flows.estimate import Cost, duration, estimate, measured_apart, refuse_too_large, show
from tritune.errors import InputError
from tritune.settings.project import Project

MIB = 2**20
FULL = Cost(22_000_000, 900 * MIB, 24_000 * MIB, 200.0, 0.0, 0)
PARTIAL = Cost(3_000_000, 800 * MIB, 24_000 * MIB, 50.0, 20.0, 21 * MIB)


def project(**train: int) -> Project:
    return Project(
        task="text_classification",
        data={"source": "a.csv"},
        model={"source": "m"},
        methods=["full"],
        seeds=[1, 2, 3],
        method={"full": {"kind": "full"}},
        train=train,
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (3599.6, "1 h 00 min")],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_a_frozen_part_counts_once_for_all_seeds(capsys):
    show(Console(width=120), {"full": FULL, "partial": PARTIAL}, trainings=3)
    header, full, partial = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ["3", "seeds"]
    assert full.split() == ["full", "22,000,000", "900", "MiB", "3", "min", "20", "s", "10", "min", "00", "s"]
    assert partial.split()[4:] == ["20", "s", "21", "MiB", "50", "s", "2", "min", "50", "s"]


def test_what_does_not_fit_is_refused_with_what_would_help():
    refuse_too_large({"full": FULL, "partial": PARTIAL}, project())
    large = Cost(1, 30_000 * MIB, 24_000 * MIB, 1.0, 0.0, 0)
    with pytest.raises(InputError) as refused:
        refuse_too_large({"partial": PARTIAL, "full": large}, project(batch_size=32))
    assert str(refused.value).startswith(
        "method.full: one training needs about 30,000 MiB and there are 24,000;"
    )
    assert "compute.recompute_activations: true" in str(refused.value)
    assert "train.batch_size below 32" in str(refused.value)
    with pytest.raises(InputError, match="take a smaller base model"):
        refuse_too_large({"full": large}, project(batch_size=1))


def killed(_: str) -> Cost:
    os.kill(os.getpid(), signal.SIGKILL)
    return FULL


def short_of_memory(_: str) -> Cost:
    raise MemoryError


@pytest.mark.parametrize("measure", [killed, short_of_memory])
def test_memory_that_runs_out_in_the_timed_steps_ends_with_the_same_advice(measure):
    with pytest.raises(InputError) as refused:
        measured_apart("full", project(batch_size=4), measure=measure)
    told = "method.full: memory ran out in the first steps of a training; set compute.recompute_activations: "
    assert str(refused.value).startswith(told)
    assert "train.batch_size below 4" in str(refused.value)


def test_before_the_data_are_tokenized_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "task: text_classification\ndata: {source: a.csv}\nmodel: {source: m}\nmethods: [full]\nseeds: [1]\n"
        "method: {full: {kind: full}}\n"
    )
    with pytest.raises(InputError, match=r"base is not there yet.*`dvc repro tokenize`"):
        estimate(None)
    with pytest.raises(InputError, match="there is no method ful in params"):
        estimate(["ful"])


def test_what_is_to_be_sharded_is_not_tried_in_one_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "task: text_classification\ndata: {source: a.csv}\nmodel: {source: m}\nmethods: [full]\nseeds: [1]\n"
        "method: {full: {kind: full}}\ncompute: {processes: 2, shard: true}\n"
    )
    with pytest.raises(InputError) as refused:
        estimate(None)
    assert str(refused.value) == (
        "tritune estimate runs its steps in one process, and compute.shard: true is for what fits no single "
        "one; set it to false to see what one would need"
    )


def test_the_figures_of_several_processes_are_said_to_be_one_s(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "task: text_classification\ndata: {source: a.csv}\nmodel: {source: m}\nmethods: [full]\nseeds: [1]\n"
        "method: {full: {kind: full}}\ncompute: {processes: 3}\n"
    )
    for folder in ("base", "data/tokens"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr("flows.estimate.measured_apart", lambda *_: FULL)
    estimate(None)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "These are one process's alone. Of the 3 that are to share a training each needs nearly as much "
        "memory, and the time is divided by their number at best."
    )
