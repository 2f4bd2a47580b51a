"""Nights of a tiny project by the real commands: the two weeks of benchmarks/two_weeks.py, shortened."""

import random
import shutil
import signal
import time

import pytest

from benchmarks import nights
from benchmarks.play import Play, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def settings(params: dict) -> None:
    params["model"]["source"] = "base model"
    params["methods"] = ["partial"]
    params["method"] = {"partial": {"kind": "partial", "freeze_layers": 0, "lr": 3e-3}}
    # A random model learns nothing at first: with less patience it would answer with one class for ever.
    params["train"].update(epochs=40, patience=40, batch_size=8)
    params["register"].update(margin=0.05, class_margin=0.2, calibration_margin=0.2)


@pytest.fixture
def project(make_clone, tiny_base, topic_rows) -> Play:
    """A project before its first night; its rows are of the words that the tiny model's tokenizer knows."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    nights.prepare_clone(clone, settings)
    words: dict[str, set[str]] = {}
    for text, topic in topic_rows:
        words.setdefault(topic, set()).update(text.split())
    fillers = set.intersection(*words.values())
    draw, rows = random.Random(8), {}
    while len(rows) < 1500:
        topic = draw.choice(sorted(words))
        chosen = draw.sample(sorted(words[topic] - fillers), 2) + draw.sample(
            sorted(fillers), draw.randint(1, 6)
        )
        rows[" ".join(draw.sample(chosen, len(chosen)))] = topic
    every = list(rows.items())
    return Play(clone, train=every[:100], test=every[100:400], reserve=every[400:])


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
