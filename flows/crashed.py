"""A run that died is shown as crashed: Prefect itself would show it as running for ever.

Without Prefect's client and DVC, which take seconds to load: whoever calls it may not have them.
"""

import base64
import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MESSAGE = "the process died (kill -9, reboot)"
SECONDS_TO_ANSWER = 10.0
UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]


def flows_of(runs: Path, process: str) -> Iterator[tuple[str, str]]:
    """Yield server and id of each flow run that a process had begun and not ended.

    Args:
        runs: The folder in which `workspace.remember_flow` has noted them.
        process: Its signature.
    """
    for path in sorted(runs.glob("*/flow.json")):
        # The next run may take it away at this moment.
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["process"] == process:
                yield content["api"], path.parent.name


def mark_crashed(api: str, flow_run_id: str) -> None:
    """Set a flow run and its task runs to Crashed, as far as they have not ended.

    Args:
        api: Address of the server's API, such as http://127.0.0.1:4200/api. Where the server asks for a
            password, it is in PREFECT_API_AUTH_STRING.

    Raises:
        OSError: The server does not answer, or refuses.
    """
    unfinished = {"state": {"type": {"any_": UNFINISHED}}}
    of_run = {"flow_run_id": {"any_": [flow_run_id]}}
    runs = _post(api, "flow_runs/filter", {"flow_runs": {"id": {"any_": [flow_run_id]}, **unfinished}})
    tasks = _post(api, "task_runs/filter", {"task_runs": {**of_run, **unfinished}})
    ended = {"state": {"type": "CRASHED", "name": "Crashed", "message": MESSAGE}, "force": True}
    for kind, found in (("flow_runs", runs), ("task_runs", tasks)):
        for run in found:
            _post(api, f"{kind}/{run['id']}/set_state", ended)


def _post(api: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{api.rstrip('/')}/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        request.add_header("Authorization", f"Basic {base64.b64encode(secret.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as response:
        return json.load(response)
