"""Schedules: what `tritune serve` and prefect.yaml ask of Prefect, in Prefect's own words."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import zoneinfo
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import project, quiet_home, trained
from registry_project import Project
from toy_project import wait_until

from benchmarks.fresh_clone import Clone
from flows import serve
from flows.cli import main
from flows.serve import local_timezone, nightly
from tritune.pipeline.decisions import REF
from tritune.pipeline.registry import register

ROOT = Path(__file__).parents[2]


def test_a_schedule_that_can_t_be_read_is_refused_before_anything_starts(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(serve, "prepare_environment", lambda _root: None)
    monkeypatch.setenv("PREFECT_API_URL", "")  # what the command sets is gone after the test
    assert main(["serve", "--cron", "3 o'clock"]) == 2
    assert capsys.readouterr().err == (
        'error: --cron: "3 o\'clock" is no schedule; give five fields (minute, hour, day, month, weekday), '
        'for example "0 3 * * *" for every night at 3\n'
    )


def test_a_server_that_is_named_and_does_not_answer_is_one_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(serve, "prepare_environment", lambda _root: None)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert main(["serve", "--cron", "0 3 * * *"]) == 2
    assert capsys.readouterr().err == (
        "error: PREFECT_API_URL is http://127.0.0.1:9/api, where no server answers; start it, or "
        "`unset PREFECT_API_URL`: `tritune serve` brings its own\n"
    )


def test_prefect_knows_of_the_one_server_that_is_started(project: Project):
    """Else it starts another one, and neither lets a night run whose slot the other one gave."""
    code = """if True:
        import contextlib
        from flows import serve
        from flows.home import loopback_url
        from flows.ui import Server

        @contextlib.contextmanager
        def started(port):
            yield Server(loopback_url(port), None)

        def told(cron):
            from prefect.settings import get_current_settings
            print(get_current_settings().api.url)
            return 0

        serve.loopback_server, serve._serve = started, told
        serve.serve(cron="0 3 * * *", port=0)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api\n", done.stdout)


def test_a_night_that_comes_due_while_another_runs_is_skipped():
    deployment = nightly("0 3 * * *")
    assert (deployment.flow_name, deployment.name) == ("retrain", "nightly")
    assert deployment.entrypoint == "flows.retrain.retrain"
    (schedule,) = deployment.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 3 * * *", local_timezone())
    assert deployment.concurrency_limit == 1
    assert deployment.concurrency_options.collision_strategy.value == "CANCEL_NEW"


def test_the_time_zone_is_the_machine_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/Rome")
    assert local_timezone() == "Europe/Rome"
    monkeypatch.setenv("TZ", "nonsense")
    assert local_timezone() == "UTC"
    monkeypatch.delenv("TZ")
    assert local_timezone() in zoneinfo.available_timezones()


def test_prefect_loads_the_deployments_for_work_pools(monkeypatch: pytest.MonkeyPatch):
    from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel
    from prefect.flows import load_flow_from_entrypoint

    content = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())
    loaded = PrefectYamlModel.model_validate(content)
    monkeypatch.chdir(ROOT)
    flows = {one.name: load_flow_from_entrypoint(one.entrypoint).name for one in loaded.deployments}
    assert flows == {"finetune": "run", "retrain": "retrain", "advise": "advise"}
    for given, one in zip(content["deployments"], loaded.deployments, strict=True):
        # Prefect ignores a key that it does not know.
        assert set(given) <= set(DeploymentConfig.model_fields)
        assert one.work_pool.name == "tritune"
        assert (one.concurrency_limit.limit, one.concurrency_limit.collision_strategy) == (1, "CANCEL_NEW")
    (schedule,) = loaded.deployments[1].schedules
    assert schedule.cron == "0 3 * * *"


def test_the_server_schedules_the_nights_to_come(environment: dict[str, str]):
    """As it is installed here: with some versions of what it rests on it silently schedules none."""
    code = "from flows.serve import nightly; print(nightly('0 3 * * *').apply())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    deployment = done.stdout.split()[-1]

    def scheduled() -> list[str]:
        runs = retrainings(environment["PREFECT_API_URL"])
        return [run["state_name"] for run in runs if run["deployment_id"] == deployment]

    wait_until(scheduled, seconds=90)
    assert set(scheduled()) == {"Scheduled"}


@pytest.mark.slow
def test_serve_runs_the_night_that_is_due_and_ends_with_ctrl_c(toy):
    with (toy.folder / "dvc.yaml").open("a") as file:
        file.write("artifacts:\n  classifier: {path: models/selected, type: model}\n")
    served = toy.start(sys.executable, "-m", "flows", "serve", "--cron", "* * * * *", PYTHONUNBUFFERED="1")

    def ended() -> list[str]:
        runs = retrainings(toy.environment["PREFECT_API_URL"])
        return [run["state_name"] for run in runs if run["end_time"]]

    wait_until(lambda: served.poll() is not None or ended(), seconds=500)
    # The toy has no stage that writes models/selected.
    assert "Refused" in ended()
    served.send_signal(signal.SIGINT)
    assert "retraining by the schedule '* * * * *'" in served.communicate(timeout=120)[0]
    decisions = toy.call("git", "log", "--format=%s", "refs/tritune/decisions")[1]
    assert "failed: dvc.yaml: no stage has models/selected among its outs" in decisions


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_night_that_the_schedule_starts_finds_nothing_new_and_sigterm_ends_it_all(
    project: Project, tmp_path: Path
):
    with_a_stage_that_fetches(project)
    register(project.folder)
    clone = Clone(project.folder, tmp_path)
    clone.environment["PYTHONPATH"] = str(ROOT)
    before = clone.users_files()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = clone.start("serve", "--cron", "* * * * *", "--port", str(port), PYTHONUNBUFFERED="1")

    def decided() -> list[str]:
        return clone.run("git", "log", "--format=%s", REF, "--").stdout.splitlines()

    def ended() -> set[str]:
        return {run["state_name"] for run in retrainings(f"http://127.0.0.1:{port}/api") if run["end_time"]}

    try:
        wait_until(lambda: served.poll() is not None or (decided() and ended()), seconds=1500)
        assert "NothingNew" in ended()
        assert decided()[-1] == "nothing new: nothing changed since v0.0.1, the champion"
    finally:
        served.send_signal(signal.SIGTERM)
        said = served.communicate(timeout=120)[0]
    assert served.returncode == 0, said
    assert "retraining by the schedule '* * * * *'" in said
    wait_until(lambda: not clone.processes(), seconds=60)
    assert clone.half_done() == []
    assert clone.users_files() == before


def with_a_stage_that_fetches(project: Project) -> None:
    """Have the pipeline begin as the real one does, which a retraining asks for."""
    fetch = {
        "cmd": "mkdir -p data/raw base && cp rows.csv data/raw && echo 1 > base/weights",
        "outs": ["data/raw", "base"],
    }
    yaml, path = YAML(), project.folder / "dvc.yaml"
    content = yaml.load(path.read_text())
    content["stages"] = {"fetch": fetch, **content["stages"]}
    with path.open("w") as file:
        yaml.dump(content, file)
    with (project.folder / ".gitignore").open("a") as file:
        file.write("/base/\n/.prefect/\n")
    project.set(model=f'{{source: "hub:somebody/something@{"1" * 40}"}}')
    project.reproduce()


def retrainings(api: str) -> list[dict[str, Any]]:
    """What a Prefect server knows of the flow runs of `retrain`."""
    request = urllib.request.Request(
        f"{api}/flow_runs/filter",
        data=json.dumps({"flows": {"name": {"any_": ["retrain"]}}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        found: list[dict[str, Any]] = json.load(response)
    return found
