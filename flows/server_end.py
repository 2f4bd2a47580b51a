"""A run's own Prefect server ends with the run, even when the run is killed.

Prefect stops the server that it started for a run when the run's process exits by itself; after kill -9 the
server would stay for ever. A process that waits for the end of the run's pipe stops it then.
"""

import subprocess
import sys

import psutil

from tritune.pipeline.supervisor import find, signature_of

SERVER = "prefect.server.api.server:create_app"
_waiting: list[subprocess.Popen[bytes]] = []


def end_server_with_run() -> None:
    """Have the server that this process started stopped when this process is gone. Call it when it is up."""
    servers = [child for child in psutil.Process().children() if SERVER in child.cmdline()]
    if servers:
        # The pipe's other end closes when this process dies, however it dies; nothing is ever written.
        command = [sys.executable, "-m", "flows.server_end", *map(signature_of, servers)]
        _waiting.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )


def main() -> None:
    sys.stdin.read()
    for signature in sys.argv[1:]:
        if server := find(signature):
            server.terminate()


if __name__ == "__main__":
    main()
