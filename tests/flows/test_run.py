"""Flow and `dvc repro` are interchangeable, and the states that Prefect shows are DVC's verdicts."""

import json
import re
import shutil
import sys
import urllib.request
from typing import Any

import pytest
from ruamel.yaml import YAML
from toy_project import STAGES, Toy, states

OUTPUTS = ("data", "checkpoints", "evaluations", "metrics", "results")


def task_runs(toy: Toy) -> dict[str, dict[str, Any]]:
    """The last flow run's task runs as Prefect's API has them, by name."""
    flow_run = query(toy, "flow_runs", {"sort": "START_TIME_DESC", "limit": 1})[0]
    found = query(toy, "task_runs", {"task_runs": {"flow_run_id": {"any_": [flow_run["id"]]}}})
    return {run["name"]: run for run in found}


def query(toy: Toy, what: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{toy.environment['PREFECT_API_URL']}/{what}/filter",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def ran(shared: Toy) -> Toy:
    """The shared toy after its first flow."""
    code, shared.first = shared.tritune("run")
    assert code == 0, shared.first
    return shared


def test_the_first_flow_runs_everything(ran):
    assert states(ran.first) == dict.fromkeys(STAGES, "Completed")
    assert ran.stale() == set()


def test_it_ends_with_one_table_the_verdict_and_three_commands(ran):
    comparison = json.loads((ran.folder / "results/comparison.json").read_text())
    chosen = next(m for m in comparison["methods"] if m["method"] == comparison["chosen"]["method"])
    row = next(line for line in ran.first.splitlines() if f"{chosen['method']} *" in line)
    assert "22,000,000" in row
    assert "MiB" in row
    assert f"{chosen['validation']['macro_f1']:.4f}" in row
    assert f"{chosen['test']['macro_f1']:.4f}" in row
    assert "it has the highest score" in ran.first
    for command in ("tritune predict", "tritune ui", "tritune registry"):
        assert command in ran.first


def test_dvc_repro_has_nothing_to_do_after_the_flow(ran):
    code, output = ran.dvc("repro")
    assert code == 0
    assert "Running stage" not in output
    assert "is cached" not in output


@pytest.fixture(scope="module")
def ran_again(ran: Toy) -> Toy:
    """The same after a parameter of one method changed."""
    ran.change("method.full", lr=0.011)
    code, output = ran.tritune("run")
    assert code == 0, output
    return ran


def test_a_stage_process_computes_dvc_s_own_run_cache_key(ran_again):
    ran_now = [run for run in task_runs(ran_again).values() if run["state"]["name"] == "Completed"]
    keys = [run["state"]["state_details"]["cache_key"] for run in ran_now]
    assert len(keys) == 3
    for key in keys:
        assert (ran_again.folder / f".dvc/cache/runs/{key[:2]}/{key}").is_dir()


def test_prefect_has_the_stage_s_own_lines_and_the_tables(ran_again):
    flow_run = query(ran_again, "flow_runs", {"sort": "START_TIME_DESC", "limit": 1})[0]
    logs = query(ran_again, "logs", {"logs": {"flow_run_id": {"any_": [flow_run["id"]]}}})
    messages = "\n".join(entry["message"] for entry in logs)
    assert "method.full" in messages  # why it was stale
    assert re.search(r"epoch 1/1  step 20/20", messages)
    assert "Running stage" not in messages
    keys = {artifact["key"] for artifact in query(ran_again, "artifacts", {})}
    assert {"plan", "comparison"} <= keys


def test_a_method_s_parameter_runs_its_own_stages_and_the_comparison_only(ran):
    ran.change("method.adaptive", lr=0.6)
    code, output = ran.tritune("run")
    assert code == 0
    ran_now = {name for name, state in states(output).items() if state == "Completed"}
    assert ran_now == {"train@adaptive-13", "evaluate@adaptive-13", "compare"}
    assert set(states(output).values()) == {"Completed", "Cached"}


def test_with_nothing_stale_it_says_so_without_loading_prefect_or_torch(ran):
    code, output = ran.tritune("run")
    assert (code, output) == (0, "up to date: 8 stages have nothing to do\n")
    _, output = ran.call(sys.executable, "-X", "importtime", "-m", "flows", "run")
    loaded = {line.rsplit("|", 1)[-1].strip() for line in output.splitlines()}
    assert "dvc.repo" in loaded
    assert not loaded & {"prefect", "torch", "transformers"}


def test_a_report_shows_every_stage_as_cached_in_prefect(ran):
    code, output = ran.tritune("run", "--report")
    assert code == 0
    assert states(output) == dict.fromkeys(STAGES, "Cached")
    shown = {name: run["state"]["name"] for name, run in task_runs(ran).items()}
    assert shown == dict.fromkeys(STAGES, "Cached")


def test_the_flow_finds_what_dvc_repro_made(ran):
    ran.change("train", weight_decay=0.2)
    code, output = ran.dvc("repro")
    assert code == 0, output
    assert output.count("Running stage") == 7
    code, output = ran.tritune("run", "--report")
    assert code == 0
    assert states(output) == dict.fromkeys(STAGES, "Cached")


def test_deleted_outputs_come_back_without_running_and_the_lock_is_the_same(ran):
    before, lock = ran.checkpoints(), (ran.folder / "dvc.lock").read_text()
    for name in OUTPUTS:
        shutil.rmtree(ran.folder / name)
    (ran.folder / "dvc.lock").unlink()
    code, output = ran.tritune("run")
    assert code == 0
    assert states(output) == dict.fromkeys(STAGES, "Restored")
    assert ran.checkpoints() == before
    assert (ran.folder / "dvc.lock").read_text() == lock


def test_the_lock_s_entries_have_the_order_of_dvc_yaml(ran):
    lock = YAML(typ="safe").load(ran.folder / "dvc.lock")
    assert list(lock["stages"]) == STAGES


def test_status_names_what_is_stale_and_why(ran):
    before = (ran.folder / "params.yaml").read_text()
    ran.change("train", weight_decay=0.3)
    (ran.folder / "data/tokens/rows.json").unlink()
    try:
        code, output = ran.tritune("status")
    finally:
        (ran.folder / "params.yaml").write_text(before)
        ran.dvc("checkout")
    assert code == 0
    assert re.search(r"prepare +stale +data/tokens changed", output)
    assert re.search(r"train@full-13 +stale +.*params\.yaml: train changed", output)
    assert re.search(r"evaluate@full-13 +stale +after train@full-13", output)
    assert "8 of 8 may have work to do: tritune run" in output
    assert "all 8 stages are up to date" in ran.tritune("status")[1]
