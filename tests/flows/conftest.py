"""The toy project, and one Prefect server for all tests: starting one for each would take minutes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from toy_project import Toy, make_toy, toy_environment, wait_until


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server's API."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        from flows.home import answers

        try:
            wait_until(lambda: answers(url), seconds=120)
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {
        **toy_environment(home),
        "PREFECT_API_URL": prefect_server,
        "PREFECT_HOME": str(home / "prefect"),
    }


@pytest.fixture
def toy(tmp_path: Path, environment: dict[str, str]) -> Toy:
    """A toy project of the test's own in which nothing ran yet."""
    return make_toy(tmp_path / "toy project", environment)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Toy:
    """A toy project of the test module; each test leaves it up to date."""
    return make_toy(tmp_path_factory.mktemp("shared") / "toy project", environment)


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Callable[..., Path]:
    """Return a function: the folder of a random classifier with the tokenizer of `tiny_base`, changed."""

    def make(labels: Sequence[str], **tokenizer: int) -> Path:
        import torch
        from transformers import AutoConfig, AutoTokenizer, BertForSequenceClassification

        folder = tmp_path_factory.mktemp("model")
        names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
        with torch.random.fork_rng():
            torch.manual_seed(1)
            network = BertForSequenceClassification(AutoConfig.from_pretrained(tiny_base, **names))
            network.classifier.weight.data.normal_()
        network.save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_base, **tokenizer).save_pretrained(folder)
        return folder

    return make
