"""The services that a cluster needs, each started for the test that asks, and the toy project."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from postgres import Postgres, programs
from toy_project import Toy, make_toy, toy_environment, wait_until


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A database server of its own."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    # Not below tmp_path: its folders are closed to PostgreSQL's own user.
    folder = Path("/tmp") / f"tritune-postgres-{os.getpid()}"
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def start_prefect(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return a function: start a Prefect server with more in its environment, return its address."""
    from flows.home import answers

    started = []

    def start(**more: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}/api"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {
            **kept,
            "PREFECT_HOME": str(tmp_path / "prefect server"),
            "PREFECT_API_URL": url,
            "PREFECT_UI_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            **more,
        }
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        with (tmp_path / "server.log").open("wb") as log:
            started.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            )
        wait_until(lambda: answers(url), seconds=240)
        return url

    yield start
    for server in started:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A toy project in which nothing ran yet."""
    (tmp_path / "home").mkdir()
    return make_toy(tmp_path / "toy project", toy_environment(tmp_path / "home"))
