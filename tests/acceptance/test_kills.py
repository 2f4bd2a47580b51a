"""Twenty kills at random moments, each followed by a rerun, end in the same bytes as an undisturbed run."""

import contextlib
import hashlib
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

OUTPUTS = ("data", "base", "plans", "sweeps", "checkpoints", "histories", "evaluations", "metrics")
OUTPUTS += ("results", "models")


def start_anew(folder: Path) -> None:
    """Take away everything a run made, DVC's memory of it included."""
    for name in (*OUTPUTS, ".dvc/cache/runs", ".dvc/tmp/tritune"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def processes(folder: Path) -> list[list[str]]:
    """The command lines of all that runs in this folder, Prefect's server included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def kill_one_of(flow: subprocess.Popen, draw: random.Random | None) -> str:
    """Kill the flow or, if `draw` is given, any of its family; return what it was."""
    victim = psutil.Process(flow.pid)
    if draw is not None:
        victim = draw.choice([victim, *victim.children(recursive=True)])
    try:
        named = " ".join(victim.cmdline()[1:6])
        victim.kill()
    except psutil.Error:  # it ended in this moment; so does the flow now
        flow.kill()
        named = "the flow"
    return named


def assert_nothing_runs(folder: Path, *, after: str) -> None:
    end = time.monotonic() + 30
    while left := processes(folder):
        assert time.monotonic() < end, f"{after}: {left} still run"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)  # half an hour on two idle cores
def test_twenty_kills_at_random_moments_change_no_byte(make_clone, tiny_base, topics_csv):
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    shutil.copy(topics_csv, clone.folder / "topics.csv")
    clone.set_params(
        lambda p: (
            p["data"].update(source="topics.csv", min_rows_per_class=2),
            p["model"].update(source="base model"),
            p["train"].update(epochs=30, patience=30, batch_size=4),
            # Two methods are trained side by side, which is what matters here; a third one adds time only.
            p["methods"].remove("adaptive"),
            p["method"].pop("adaptive"),
        )
    )
    started = time.monotonic()
    assert clone.tritune("run", timeout=1200).returncode == 0
    seconds = time.monotonic() - started
    print(f"undisturbed: {seconds:.0f} s")
    expected = hashes(clone.folder)

    draw = random.Random(20)
    kills = 0
    while kills < 20:
        start_anew(clone.folder)
        started = time.monotonic()
        flow = subprocess.Popen(
            [sys.executable, "-m", "flows", "run"],
            cwd=clone.folder,
            env=clone.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        delay = draw.uniform(0, seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            flow.wait(delay)
            seconds = time.monotonic() - started  # it was quicker this time: there was nothing to kill
            continue
        kills += 1
        named = f"kill {kills}, after {delay:.0f} s, of {kill_one_of(flow, draw if kills % 2 else None)}"
        print(named, flush=True)
        flow.wait()
        assert_nothing_runs(clone.folder, after=named)
        done = clone.tritune("run", timeout=1200)
        assert done.returncode == 0, f"{named}: {done.stdout}{done.stderr}"
        assert_nothing_runs(clone.folder, after=f"the rerun after {named}")
        assert hashes(clone.folder) == expected, named
