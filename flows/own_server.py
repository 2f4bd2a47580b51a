"""A run's own Prefect server is started again when it is killed, as long as the run lives.

Prefect starts it when no server is running, and stops it when the run's process exits by itself; `watcher`
ends it after kill -9 of the run. Without it, a run would wait minutes for answers that never come.
"""

import asyncio
import contextlib
import signal

SERVER = "prefect.server.api.server:create_app"
RUNNING_OR_ASKED_TO_END = {None, 0, -signal.SIGINT, -signal.SIGTERM}
"""Exit codes. Ctrl-C in a terminal reaches the server as well as the run, which then ends too."""

SECONDS_BETWEEN_LOOKS = 1.0


async def keep_server() -> None:
    """Start this process's own server again, at the same address, whenever it was killed. Does not return."""
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # Prefect's only one; where another server is used, it has no process
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        if server.server_process is not None and server.server_process.poll() not in RUNNING_OR_ASKED_TO_END:
            server.running = False
            with contextlib.suppress(Exception):  # a run goes on without a server too
                await asyncio.to_thread(server.start)
