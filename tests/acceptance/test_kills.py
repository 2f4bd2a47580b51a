"""Twenty kills at random moments, each followed by a rerun, end in the same bytes as an undisturbed run."""

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

OUTPUTS = ("data", "base", "plans", "checkpoints", "histories", "evaluations", "metrics", "results", "models")


def start_anew(folder: Path) -> None:
    """Take away everything a run made, DVC's memory of it included."""
    for name in (*OUTPUTS, ".dvc/cache/runs", ".dvc/tmp/tritune"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_twenty_kills_at_random_moments_change_no_byte(make_clone, tiny_base, topics_csv):
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    shutil.copy(topics_csv, clone.folder / "topics.csv")
    clone.set_params(
        lambda p: (
            p["data"].update(source="topics.csv", min_rows_per_class=2),
            p["model"].update(source="base model"),
            p["train"].update(epochs=30, patience=30, batch_size=4),
        )
    )
    started = time.monotonic()
    assert clone.tritune("run").returncode == 0
    seconds = time.monotonic() - started
    expected = hashes(clone.folder)

    draw = random.Random(20)
    for kill in range(20):
        start_anew(clone.folder)
        flow = subprocess.Popen(
            [sys.executable, "-m", "flows", "run"],
            cwd=clone.folder,
            env=clone.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(draw.uniform(0, seconds))
        family = [psutil.Process(flow.pid), *psutil.Process(flow.pid).children(recursive=True)]
        victim = draw.choice(family) if kill % 2 else family[0]
        victim.send_signal(signal.SIGKILL)
        flow.wait()
        done = clone.tritune("run")
        assert done.returncode == 0, f"kill {kill} of {victim}: {done.stdout}{done.stderr}"
        assert hashes(clone.folder) == expected, f"kill {kill} of {victim}"
