"""`tritune ui`: Prefect's server on this machine only, with the runs made here before."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from flows.home import (
    HOST,
    loopback_url,
    prepare_environment,
    running_server,
    server_record,
    wait_until_it_answers,
)


def ui(*, port: int) -> int:
    """Serve until Ctrl-C. Return the exit code.

    Args:
        port: Taken if it is free, else the system picks one.
    """
    prepare_environment(Path.cwd(), find_server=False)
    if url := running_server():
        print(f"the Prefect UI is there already: {url.removesuffix('/api')}")
        return 0
    with loopback_server(free_port(port)) as server:
        if server is None:
            return 1
        print(f"Prefect UI: {server.url.removesuffix('/api')}  (Ctrl-C ends it)", flush=True)
        try:
            return server.process.wait()
        except KeyboardInterrupt:
            print("\nended")
            return 0


@dataclass(frozen=True)
class Server:
    """A Prefect server that listens on this machine only."""

    url: str
    """Of its API."""

    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def loopback_server(port: int) -> Iterator[Server | None]:
    """Run a server inside the block, where every run of this project finds it; None if it did not start.

    Args:
        port: One that is free.
    """
    url = loopback_url(port)
    record = server_record()
    record.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    print("starting the Prefect server", flush=True)
    with (record.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)],
            env={**os.environ, "PREFECT_API_URL": url, "PREFECT_UI_API_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if wait_until_it_answers(process, url):
                record.write_text(json.dumps({"url": url, "pid": process.pid}), encoding="utf-8")
                yield Server(url, process)
            else:
                log_path = record.parent / "server.log"
                print(f"the Prefect server did not start; see {log_path}", file=sys.stderr)
                yield None
        finally:
            record.unlink(missing_ok=True)
            _end(process)


def free_port(wanted: int) -> int:
    """Return `wanted` if nothing listens there, else a free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback interface")


def _end(server: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
            return


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
