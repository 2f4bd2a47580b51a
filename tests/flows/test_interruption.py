"""Kills, Ctrl-C, cancellation and neighbours: no orphan, no lost work, no second writer, no false lineage."""

import json
import random
import re
import shutil
import signal
import urllib.request
from pathlib import Path

import psutil
import pytest
from toy_project import STAGES, Toy, make_toy, states, wait_until

SLOW = {"TOY_STEP_SECONDS": "0.05"}
TRAININGS = ("train@full-13", "train@partial-13", "train@adaptive-13")


def uninterrupted(toy: Toy) -> dict[str, bytes]:
    """The checkpoints that trainings nobody disturbs would write: the same walk in one piece."""
    rows = json.loads((toy.folder / "data/tokens/rows.json").read_text())
    rates = {"full": 0.01, "partial": 0.1, "adaptive": 0.5}
    found = {}
    for method, rate in rates.items():
        draw, weight = random.Random("13"), 0.0
        for _ in range(100):
            weight += 0.1 * (draw.choice(rows) - weight) + rate * draw.random()
        found[f"{method}-13"] = json.dumps({"weight": weight}).encode()
    return found


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("prepared") / "toy project", environment)
    toy.change("train", batch_size=100)
    assert toy.dvc("repro", "-s", "prepare")[0] == 0
    return toy


@pytest.fixture
def prepared(prepared_once: Toy, tmp_path: Path) -> Toy:
    """A toy with slow trainings that may start at once."""
    shutil.copytree(prepared_once.folder, tmp_path / "toy project")
    return Toy(tmp_path / "toy project", prepared_once.environment)


@pytest.fixture
def training(prepared: Toy):
    """A toy whose run is in the middle of at least one training; all stand still while `hold` is a file."""
    toy = prepared
    toy.hold = toy.folder.with_name("hold")
    toy.run = toy.start_run(**SLOW, TOY_HOLD=str(toy.hold))
    wait_until(lambda: toy.run.poll() or any(toy.scratch_step(stage) >= 20 for stage in TRAININGS))
    assert toy.run.poll() is None, toy.run.communicate()[0]
    yield toy
    if toy.run.poll() is None:
        toy.run.kill()
        toy.run.communicate()
    wait_until(lambda: not toy.processes(), seconds=15)


def flow_states(toy: Toy) -> list[str]:
    """Names of the states of all flow runs, the newest first."""
    request = urllib.request.Request(
        f"{toy.environment['PREFECT_API_URL']}/flow_runs/filter",
        data=json.dumps({"sort": "START_TIME_DESC"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return [run["state"]["name"] for run in json.load(response)]


def test_kill_9_leaves_no_process_and_the_rerun_resumes_to_the_same_bytes(training):
    training.run.kill()
    training.run.communicate()
    wait_until(lambda: not training.processes(), seconds=4)
    interrupted = [stage for stage in TRAININGS if training.scratch_step(stage) > 0]
    wait_until(lambda: flow_states(training)[0] == "Crashed", seconds=20)
    code, output = training.tritune("run")
    assert code == 0, output
    for stage in interrupted:
        assert re.search(rf"{stage}  Completed  resumed from step \d+", output), output
    assert training.checkpoints() == uninterrupted(training)
    assert flow_states(training)[:2] == ["Completed", "Crashed"]


def test_ctrl_c_stops_every_process_and_says_how_to_go_on(training):
    training.run.send_signal(signal.SIGINT)
    output, _ = training.run.communicate(timeout=30)
    wait_until(lambda: not training.processes(), seconds=4)
    assert training.run.returncode == 1
    assert "stopped; what is done is kept, and a training goes on where it was: tritune run" in output
    assert "Traceback" not in output


def test_sigterm_stops_every_process(training):
    training.run.send_signal(signal.SIGTERM)
    training.run.communicate(timeout=30)
    wait_until(lambda: not training.processes(), seconds=4)
    assert training.run.returncode != 0


def test_cancelling_the_flow_run_in_prefect_stops_every_process(training):
    api = training.environment["PREFECT_API_URL"]

    def post(path: str, body: dict):
        request = urllib.request.Request(
            f"{api}/{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    newest = post("flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})[0]
    post(f"flow_runs/{newest['id']}/set_state", {"state": {"type": "CANCELLING"}, "force": False})
    output, _ = training.run.communicate(timeout=30)
    wait_until(lambda: not training.processes(), seconds=4)
    assert flow_states(training)[0] == "Cancelled"
    assert training.run.returncode == 1
    assert "cancelled; what is done is kept, and a training goes on where it was: tritune run" in output
    assert "run only this stage again" not in output


def test_while_a_run_is_going_on_others_are_refused_and_it_is_not_disturbed(training):
    training.hold.touch()  # so that it is going on however long these commands take
    code, output = training.tritune("run")
    assert code == 2
    assert re.fullmatch(
        rf"error: a run is going on in .*toy project \(process {training.run.pid}\); wait until it ends, or "
        rf"stop it with `kill {training.run.pid}`\n",
        output,
    )
    code, output = training.tritune("status")
    assert code == 0
    assert f"a run is going on (process {training.run.pid})" in output
    code, output = training.dvc("repro")
    assert code != 0
    assert "is busy" in output
    training.hold.unlink()
    output, _ = training.run.communicate(timeout=60)
    assert training.run.returncode == 0, output
    assert states(output) == {**dict.fromkeys(STAGES, "Completed"), "prepare": "Cached"}
    assert training.stale() == set()


def test_parameters_edited_while_a_stage_runs_leave_no_result(prepared):
    process = prepared.start("dvc", "repro", "-s", "train@full-13", **SLOW)
    wait_until(lambda: prepared.scratch_step("train@full-13") >= 10)
    prepared.change("method.full", lr=0.9)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "exited with 76" in output
    assert (
        "error: method.full in params.yaml changed while train@full-13 ran; the result belongs to neither"
        in output
    )
    assert "train@full-13" not in (prepared.folder / "dvc.lock").read_text()
    assert not prepared.checkpoints()
    assert prepared.scratch_step("train@full-13") == 0


def test_a_run_while_dvc_works_here_is_refused(prepared):
    process = prepared.start("dvc", "repro", "-s", "train@full-13", **SLOW)
    wait_until(lambda: prepared.scratch_step("train@full-13") >= 5)
    code, output = prepared.tritune("run")
    assert code == 2
    assert f"another DVC process is working here: (PID {process.pid})" in output
    assert "wait until it ends, then try again" in output
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_when_plain_dvc_dies_its_stage_ends_and_the_stage_s_children_too(prepared, number):
    events = json.dumps({"train@full-13": "child"})
    process = prepared.start("dvc", "repro", "-s", "train@full-13", TOY_EVENTS=events, **SLOW)
    wait_until(lambda: prepared.scratch_step("train@full-13") >= 15)
    child = int((prepared.folder / "child.pid").read_text())
    process.send_signal(number)
    process.wait(10)
    wait_until(lambda: not prepared.processes(), seconds=4)
    gone = not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert gone
    process.stdout.close()
    # The flow picks up where plain DVC was.
    code, output = prepared.tritune("run")
    assert code == 0
    assert re.search(r"train@full-13  Completed  resumed from step \d+", output)
    assert prepared.checkpoints() == uninterrupted(prepared)
