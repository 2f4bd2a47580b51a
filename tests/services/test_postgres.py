"""Prefect's server on PostgreSQL, which goes away in the middle of a run and comes back."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from postgres import PASSWORD, Postgres
from toy_project import STAGES, Toy, states, wait_until


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_survives_a_restart_of_the_database_and_is_shown_as_completed(
    toy: Toy, postgres: Postgres, start_prefect: Callable[..., str]
):
    url = start_prefect(PREFECT_SERVER_DATABASE_CONNECTION_URL=postgres.url)
    toy.environment["PREFECT_API_URL"] = url
    toy.change("train", batch_size=100)
    run = toy.start_run(TOY_STEP_SECONDS="0.2")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 20, seconds=240)
    assert run.poll() is None, run.communicate()[0]
    postgres.stop()  # at once, as a crash would: every connection breaks
    postgres.start()
    output, _ = run.communicate(timeout=400)
    assert run.returncode == 0, output
    assert states(output) == dict.fromkeys(STAGES, "Completed")
    assert PASSWORD not in output

    def shown(kind: str) -> dict[str, str]:
        return {run["name"]: run["state"]["name"] for run in query(url, kind)}

    assert list(shown("flow_runs").values()) == ["Completed"]
    # Task runs come to the database by events, a moment later.
    wait_until(lambda: shown("task_runs") == dict.fromkeys(STAGES, "Completed"), seconds=60)


def query(url: str, kind: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{url}/{kind}/filter", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
