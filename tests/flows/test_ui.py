"""The server that `tritune ui` starts, and how a run finds it."""

import json
import os
import re
import signal
import socket
import sys

import pytest
from toy_project import Toy, make_toy, toy_environment, wait_until

from flows import home
from flows.home import answers, prepare_environment, running_server
from flows.ui import free_port


@pytest.fixture
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.usefixtures("clean_environment")
def test_prefect_s_home_lies_in_the_project_and_nothing_is_reported(tmp_path):
    prepare_environment(tmp_path)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / ".prefect")
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert "PREFECT_API_URL" not in os.environ


@pytest.mark.usefixtures("clean_environment")
def test_what_the_user_has_set_stays(tmp_path):
    os.environ.update(PREFECT_HOME="/somewhere", PREFECT_API_URL="http://other/api")
    prepare_environment(tmp_path)
    assert os.environ["PREFECT_HOME"] == "/somewhere"
    assert os.environ["PREFECT_API_URL"] == "http://other/api"


@pytest.mark.usefixtures("clean_environment")
def test_a_record_of_a_server_that_is_gone_is_not_used(tmp_path):
    (tmp_path / ".prefect").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / ".prefect/server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}/api"}))
    prepare_environment(tmp_path)
    assert "PREFECT_API_URL" not in os.environ


@pytest.mark.usefixtures("clean_environment")
def test_a_running_server_is_used(tmp_path, monkeypatch):
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/server.json").write_text('{"url": "http://here/api"}')
    monkeypatch.setattr(home, "answers", lambda url: url == "http://here/api")
    prepare_environment(tmp_path)
    assert running_server() == os.environ["PREFECT_API_URL"] == "http://here/api"


def test_a_port_that_is_taken_is_avoided():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in {0, port}


def test_it_says_where_it_is_until_ctrl_c(tmp_path):
    toy: Toy = make_toy(tmp_path / "toy", toy_environment(tmp_path))
    server = toy.start(sys.executable, "-m", "flows", "ui", PYTHONUNBUFFERED="1")
    record = toy.folder / ".prefect/server.json"
    wait_until(lambda: server.poll() is not None or record.is_file(), seconds=60)
    assert server.stdout.readline() == "starting the Prefect server\n"
    address = re.fullmatch(
        r"Prefect UI: (http://127\.0\.0\.1:\d+)  \(Ctrl-C ends it\)\n", server.stdout.readline()
    )[1]
    assert answers(f"{address}/api")
    code, output = toy.tritune("ui")
    assert (code, output) == (0, f"the Prefect UI is there already: {address}\n")
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)
    assert server.returncode == 0
    assert not record.exists()
    assert not toy.processes()
    assert not answers(f"{address}/api")
