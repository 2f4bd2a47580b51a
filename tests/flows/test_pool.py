"""Trainings spread over workers that share Prefect's server and DVC's remote, and nothing else."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.states import Failed
from toy_project import STAGES, Toy, make_toy, states, toy_environment, wait_until

from flows import own_server, run, watcher
from tritune.pipeline import remote_results
from tritune.pipeline.dag import Stage

TRAININGS = tuple(name for name in STAGES if name.startswith("train@"))


@pytest.mark.parametrize(
    ("command", "asked_by"),
    [(["run", "--pool", "gpus"], "--pool"), (["work", "--pool", "gpus"], "tritune work")],
)
def test_without_a_server_that_machines_share_nothing_starts(in_process, tmp_path, command, asked_by):
    toy = make_toy(tmp_path / "toy", toy_environment(tmp_path))
    done = in_process(toy, *command)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {asked_by}: PREFECT_API_URL is not set, so there is no Prefect server that several machines "
        "share; set it to the server's address, for example http://10.0.0.5:4200/api\n",
    )


def test_without_a_remote_nothing_starts(in_process, tmp_path):
    toy = make_toy(tmp_path / "toy", toy_environment(tmp_path))
    toy.environment["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    done = in_process(toy, "run", "--pool", "gpus")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --pool: no DVC remote is set, through which machines pass on data and results; set one with "
        "`dvc remote add --default NAME URL` and commit .dvc/config\n",
    )


def test_push_without_a_remote_is_refused_before_any_work(in_process, tmp_path):
    done = in_process(make_toy(tmp_path / "toy", toy_environment(tmp_path)), "run", "--push")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --push: no DVC remote is set; set one with `dvc remote add --default NAME URL`\n",
    )


def test_a_push_that_fails_at_the_end_says_which_stage_and_how_to_go_on(monkeypatch, capsys):
    def refuse(_stage: str) -> None:
        raise OSError("no space at s3://ann:secret@bucket")

    monkeypatch.setattr(remote_results, "share_result", refuse)
    assert run._push([Stage("prepare", ()), Stage("compare", ())]) == 1
    assert capsys.readouterr().err == (
        "error: prepare could not be pushed: no space at s3://bucket; again: tritune run --push\n"
    )


def test_a_flow_that_fails_before_its_first_stage_says_why(in_process, tmp_path, monkeypatch):
    monkeypatch.setattr(own_server, "begin_server", lambda: lambda: None)
    monkeypatch.setattr(run, "_call_flow", lambda *_: Failed(message="the pool could not be made"))
    monkeypatch.setattr(watcher, "watch", lambda *_: None)
    done = in_process(make_toy(tmp_path / "toy", toy_environment(tmp_path)), "run")
    assert done.returncode == 1
    assert "error: Prefect could not start, so nothing ran: the pool could not be made\n" in done.stdout


def commit(toy: Toy) -> None:
    toy.call("git", "add", "-A")
    assert toy.call("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start")[0] == 0


def query(toy: Toy, what: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{toy.environment['PREFECT_API_URL']}/{what}/filter",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


class Machines:
    """A project, and clones of it that work for a pool, each with folders of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.project = make_toy(folder / "project", environment)
        self.project.change("train", batch_size=100)
        remote = ("dvc", "remote", "add", "--default", "shelf", str(folder / "shelf"))
        assert self.project.call(sys.executable, "-m", *remote)[0] == 0
        commit(self.project)
        self.workers: list[tuple[Toy, Any]] = []

    def clone(self, name: str) -> Toy:
        folder = self.project.folder.parent / name
        assert self.project.call("git", "clone", "-q", ".", str(folder))[0] == 0
        environment = {**self.project.environment, "PREFECT_HOME": str(folder / ".prefect")}
        return Toy(folder, environment)

    def start_worker(self, name: str, pool: str, **environment: str) -> None:
        clone = self.clone(name)
        command = (sys.executable, "-m", "flows", "work", "--pool", pool)
        self.workers.append((clone, clone.start(*command, **environment)))

    def training_on(self, worker: Toy) -> str:
        """The training that a worker is in the middle of; empty: none."""
        return next((stage for stage in TRAININGS if worker.scratch_step(stage) >= 20), "")


@pytest.fixture
def machines(tmp_path: Path, environment: dict[str, str]) -> Iterator[Machines]:
    machines = Machines(tmp_path, environment)
    yield machines
    for _, process in machines.workers:
        kill_machine(process.pid)
        process.communicate()


def kill_machine(pid: int) -> None:
    """What a power cut does: a process and all below it, without a word."""
    if not psutil.pid_exists(pid):
        return
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        one.kill()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_trainings_spread_over_workers_and_one_that_dies_is_taken_over(machines: Machines):
    alone = machines.clone("alone")
    assert alone.dvc("repro")[0] == 0
    for name in ("first", "second"):
        machines.start_worker(name, "machines", TOY_STEP_SECONDS="0.3")
    coordinator = machines.project.start(
        sys.executable, "-m", "flows", "run", "--pool", "machines", PYTHONUNBUFFERED="1"
    )
    (first, process), (second, _) = machines.workers
    wait_until(
        lambda: (
            coordinator.poll() is not None or (machines.training_on(first) and machines.training_on(second))
        ),
        seconds=240,
    )
    assert coordinator.poll() is None, coordinator.communicate()[0]
    assert machines.training_on(first) != machines.training_on(second)
    died = machines.training_on(first)
    kill_machine(process.pid)
    output, _ = coordinator.communicate(timeout=500)
    assert coordinator.returncode == 0, output
    assert f"{died} | its worker died (no sign of life for 100 seconds); another one takes it" in output
    assert states(output) == dict.fromkeys(STAGES, "Completed")
    assert all(f"{stage}  Completed  ran on " in output for stage in TRAININGS)
    project = machines.project
    assert project.stale() == set()
    assert project.checkpoints() == alone.checkpoints()
    assert (project.folder / "dvc.lock").read_text() == (alone.folder / "dvc.lock").read_text()
    shown = query(project, "flow_runs", {"flow_runs": {"name": {"any_": [died]}}})
    assert sorted(one["state"]["name"] for one in shown) == ["Completed", "Crashed"]
