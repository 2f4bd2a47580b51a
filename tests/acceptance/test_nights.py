"""Nights of a tiny project by the real commands: the two weeks of benchmarks/two_weeks.py, shortened."""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

import signal
import time

import pytest

from benchmarks import nights
from benchmarks.play import Play, play
from tests.nightly_project import project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_week_of_nights(project: Play):
    story = (
        nights.first,
        nights.quiet,
        nights.many_rows,
        nights.wrong_labels,
        nights.wrong_labels_gone,
        nights.broken_file,
        nights.lost_class,
        nights.killed,
        nights.rolled_back,
        nights.looking_back,
    )
    told = play(story, project, tell=print)
    assert [night.training_rows for night in told[:4]] == [100, 100, 300, 600]
    after_the_kill = told[7].decision.version
    assert f"{after_the_kill} is bit-identical" in project.command("verify", after_the_kill)


def test_a_night_that_is_stopped_goes_on_where_it_was_and_a_second_one_beside_it_is_refused(project: Play):
    nights.first(project)
    project.put([*project.train, *project.take(200)])
    before = project.clone.users_files()
    started = project.clone.start("retrain")
    wait_until(lambda: project.trains() or started.poll() is not None)
    refused = project.clone.tritune("retrain")
    assert refused.returncode == 2
    assert f"a retraining is going on in {project.clone.folder} (process {started.pid})" in refused.stderr
    started.send_signal(signal.SIGTERM)
    said = started.communicate(timeout=500)[0]
    assert started.returncode not in (0, 2), said
    wait_until(lambda: not project.clone.processes(), seconds=120)
    assert project.clone.half_done() == []
    assert project.clone.users_files() == before
    decision = project.retrain("promoted", "kept out")
    assert f"{decision.version} is bit-identical" in project.command("verify", decision.version)


def wait_until(condition, *, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)
