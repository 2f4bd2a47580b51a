"""The Prefect server that a run starts for itself, when nobody else runs one."""

import contextlib
import sqlite3

import psutil
import pytest
from toy_project import STAGES, make_toy, states, toy_environment, wait_until

from flows.own_server import SERVER


@pytest.mark.slow
def test_a_killed_server_is_started_again_and_the_run_ends_as_if_nothing_happened(tmp_path):
    toy = make_toy(tmp_path / "toy project", toy_environment(tmp_path))
    toy.change("train", batch_size=100)
    run = toy.start_run(TOY_STEP_SECONDS="0.05")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 5, seconds=240)
    (server,) = [child for child in psutil.Process(run.pid).children() if SERVER in child.cmdline()]
    server.kill()
    output, _ = run.communicate(timeout=240)
    assert run.returncode == 0
    assert states(output) == dict.fromkeys(STAGES, "Completed")
    assert "EventsWorker" not in output, output
    with contextlib.closing(sqlite3.connect(toy.folder / ".prefect/prefect.db")) as database:
        assert database.execute("select state_name from flow_run").fetchall() == [("Completed",)]
    wait_until(lambda: not toy.processes(), seconds=20)


@pytest.mark.slow
def test_a_run_that_was_killed_is_shown_as_crashed_and_its_server_is_gone(tmp_path):
    toy = make_toy(tmp_path / "toy project", toy_environment(tmp_path))
    toy.change("train", batch_size=100)
    run = toy.start_run(TOY_STEP_SECONDS="0.05")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 5, seconds=240)
    run.kill()
    run.communicate()
    wait_until(lambda: not toy.processes(), seconds=60)
    with contextlib.closing(sqlite3.connect(toy.folder / ".prefect/prefect.db")) as database:
        assert database.execute("select state_name from flow_run").fetchall() == [("Crashed",)]
        tasks = dict(database.execute("select name, state_name from task_run"))
    assert tasks["prepare"] == "Completed"
    assert tasks["train@full-13"] == "Crashed"
    assert "Running" not in tasks.values()
