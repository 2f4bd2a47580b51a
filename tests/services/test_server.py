"""A Prefect server with a password: nobody else gets in, and a run's own words never hold it."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from toy_project import Toy, wait_until

SECRET = "ann:a-secret-of-a-test-that-must-not-appear"


def ask(url: str, *, secret: str = "", body: dict[str, Any] | None = None) -> str:
    headers = {"Content-Type": "application/json"}
    if secret:
        headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as response:
        return response.read().decode()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_server_with_a_password_shows_a_killed_run_as_crashed_and_has_metrics(
    toy: Toy, start_prefect: Callable[..., str]
):
    url = start_prefect(PREFECT_SERVER_API_AUTH_STRING=SECRET, PREFECT_SERVER_METRICS_ENABLED="true")
    for path in ("metrics", "flow_runs/filter"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"{url}/{path}", body={} if "filter" in path else None)
    assert "# HELP " in ask(f"{url}/metrics", secret=SECRET)

    toy.environment |= {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": SECRET}
    toy.change("train", batch_size=100)
    run = toy.start_run(TOY_STEP_SECONDS="0.2")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 5, seconds=240)
    run.kill()
    output, _ = run.communicate()
    secret = SECRET.partition(":")[2]
    assert secret not in output

    def shown(kind: str) -> dict[str, str]:
        found = json.loads(ask(f"{url}/{kind}/filter", secret=SECRET, body={}))
        return {one["name"]: one["state_name"] for one in found}

    wait_until(lambda: list(shown("flow_runs").values()) == ["Crashed"], seconds=60)
    wait_until(lambda: "Running" not in shown("task_runs").values(), seconds=60)
    written = [path for path in toy.folder.rglob("*") if path.is_file()]
    assert [path for path in written if secret.encode() in path.read_bytes()] == []
