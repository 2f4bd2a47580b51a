"""The Prefect server that a run starts for itself, when nobody else runs one."""

import contextlib
import sqlite3

import psutil
import pytest
from toy_project import STAGES, make_toy, states, toy_environment, wait_until

from flows import home, own_server
from flows.own_server import SERVER, begin_server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / ".prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


NAMED = "http://10.0.0.5:4200/api"
PROFILE = f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{NAMED}"\n'


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("prefect.toml", f'[api]\nurl = "{NAMED}"\n', True),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{NAMED}"\n', True),
        (".env", "SECRET=1\n", False),
        (".prefect/profiles.toml", PROFILE, True),
    ],
)
def test_a_server_that_a_file_names_is_used(folder, file, content, named):
    (folder / ".prefect").mkdir()
    (folder / file).write_text(content)
    assert home.names_a_server() is named


def test_prefect_is_not_asked_where_there_is_no_such_file(folder, monkeypatch):
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.setattr(home.subprocess, "run", lambda *_, **__: pytest.fail("Prefect was asked"))
    assert home.names_a_server() is False


def test_none_is_begun_where_one_is_named(monkeypatch):
    monkeypatch.setattr(own_server, "_OwnServer", lambda: pytest.fail("a server was begun"))
    monkeypatch.setenv("PREFECT_API_URL", NAMED)
    begin_server()()


def test_one_that_ends_at_once_is_told_at_once(monkeypatch):
    monkeypatch.setattr(own_server, "SERVER", "no.such.module:app")
    server = own_server._OwnServer()
    with pytest.raises(RuntimeError, match="ended while it started, exit code 1"):
        server.wait()
    server.stop()


def test_one_that_takes_too_long_is_given_up_and_ended(monkeypatch):
    monkeypatch.setattr(home, "SECONDS_TO_START", 0.1)
    server = own_server._OwnServer()
    with pytest.raises(RuntimeError, match="did not start within"):
        server.wait()
    server.stop()
    assert server._process.returncode is not None


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
