"""What a person sees of a run in Prefect's pages, in headless Chromium; the pictures in docs/ are its.

`TRITUNE_PICTURES=docs/pictures` makes them anew.
"""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_project import STAGES, Toy, wait_until

from benchmarks import nights
from benchmarks.play import Play
from tests.nightly_project import project


@pytest.fixture
def page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `services` is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 860})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def show(page: Any, address: str, *texts: str) -> None:
    """Go to an address and wait until each text is there."""
    page.goto(address)
    for text in texts:
        page.get_by_text(text).first.wait_for()


def take(page: Any, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("TRITUNE_PICTURES", tmp_path))
    page.wait_for_timeout(1500)  # what slides into place has arrived
    page.screenshot(path=folder / f"{name}.png")


def query(url: str, kind: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{url}/{kind}/filter", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_shows_its_stages_logs_tables_report_and_end(
    toy: Toy, start_prefect: Callable[..., str], page: Any, tmp_path: Path
):
    url = start_prefect()
    ui = url.removesuffix("/api")
    toy.environment["PREFECT_API_URL"] = url
    toy.change("train", batch_size=100)
    run = toy.start_run(TOY_STEP_SECONDS="0.6")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 10, seconds=240)
    assert run.poll() is None, run.communicate()[0]
    (shown,) = query(url, "flow_runs", {})
    progress = "epoch 1/1"  # in the log
    address = f"{ui}/runs/flow-run/{shown['id']}"
    show(page, address, "train full, partial, adaptive on", "train@full-13", progress)
    take(page, "training", tmp_path)
    output, _ = run.communicate(timeout=400)
    assert run.returncode == 0, output

    show(page, f"{address}?tab=Task%20Runs", *STAGES)
    take(page, "stages", tmp_path)
    artifacts = {one["key"]: one["id"] for one in query(url, "artifacts", {})}
    assert {"plan", "comparison", "report"} <= set(artifacts)
    show(page, f"{ui}/artifacts/artifact/{artifacts['report']}", "it has the highest score")
    take(page, "report", tmp_path)
    show(page, f"{ui}/artifacts/artifact/{artifacts['plan']}", "never ran with these settings")
    take(page, "plan", tmp_path)

    toy.change("method.full", lr=0.02)
    run = toy.start_run(TOY_STEP_SECONDS="0.6")
    wait_until(lambda: run.poll() is not None or toy.scratch_step("train@full-13") >= 10, seconds=240)
    run.kill()
    run.communicate()
    wait_until(
        lambda: query(url, "flow_runs", {"sort": "START_TIME_DESC"})[0]["state_name"] == "Crashed",
        seconds=240,
    )
    show(page, f"{ui}/runs", "train full on", "Crashed")
    take(page, "crashed", tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_night_shows_what_was_decided_and_why(
    project: Play, start_prefect: Callable[..., str], page: Any, tmp_path: Path
):
    url = start_prefect()
    ui = url.removesuffix("/api")
    project.clone.environment["PREFECT_API_URL"] = url
    nights.first(project)
    nights.many_rows(project)
    nights.wrong_labels(project)
    show(page, f"{ui}/runs", "Promoted", "KeptOut", "retrain on tickets")
    newest = query(url, "artifacts", {"sort": "CREATED_DESC"})
    decision = next(one for one in newest if one["key"] == "decision")
    show(page, f"{ui}/artifacts/artifact/{decision['id']}", "kept out")
    take(page, "decision", tmp_path)
