"""The clock goes back a day, then forward a year: nothing is skipped, and nothing is out of order."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.fresh_clone import Clone
from tritune.pipeline.decisions import read_decisions
from tritune.pipeline.registry import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

DAY = 24 * 60 * 60


@pytest.fixture
def moved(first_run, tmp_path) -> Clone:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler for the library that moves the clock")
    library, source = tmp_path / "moved_clock.so", Path(__file__).with_name("moved_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    clone: Clone = first_run()
    clone.environment |= {"LD_PRELOAD": str(library)}
    return clone


def set_clock(clone: Clone, *, days: int) -> None:
    """Move the clock of the commands to come, seen from the true time."""
    clone.environment["CLOCK_MOVED_BY"] = str(days * DAY)


def test_the_clock_is_moved(moved: Clone):
    set_clock(moved, days=-10)
    told = float(moved.run("python", "-c", "import time; print(time.time())").stdout)
    assert told == pytest.approx(time.time() - 10 * DAY, abs=60)


def test_nights_with_a_clock_that_is_moved(moved: Clone):
    outcomes = []
    for number, days in enumerate((-1, 365, 0, -1)):
        set_clock(moved, days=days)
        if number < 3:
            with (moved.folder / "tickets.csv").open("a") as file:
                file.writelines(f"rose water soil {number} {word},garden\n" for word in ("old", "new", "my"))
        done = moved.tritune("retrain", timeout=1200)
        assert done.returncode == 0, f"{days}: {done.stdout}{done.stderr}"
        outcomes.insert(0, read_decisions(moved.folder)[0].outcome)
        assert moved.processes() == {}
    decisions = read_decisions(moved.folder)
    assert [decision.outcome for decision in decisions] == outcomes  # the newest first, whatever their dates
    assert outcomes[0] == "nothing new"
    assert "nothing new" not in outcomes[1:]
    assert [version.version for version in versions(moved.folder)] == ["v0.0.4", "v0.0.3", "v0.0.2", "v0.0.1"]
    shown = moved.tritune("registry").stdout
    assert shown.index("v0.0.4") < shown.index("v0.0.3") < shown.index("v0.0.2") < shown.index("v0.0.1")


def test_a_run_after_the_clock_went_back_does_what_is_stale_and_nothing_else(moved: Clone):
    set_clock(moved, days=-1)
    assert "up to date" in moved.tritune("run").stdout
    moved.set_params(lambda params: params["method"]["full"].update(lr=2e-2))
    done = moved.tritune("run", timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    trained = {line.split()[0] for line in done.stdout.splitlines() if "  Completed  " in line}
    assert {name for name in trained if name.startswith("train@")} == {"train@full-13"}
    set_clock(moved, days=365)
    assert "up to date" in moved.tritune("run").stdout
    shutil.rmtree(moved.folder / "checkpoints")
    done = moved.tritune("run", timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Completed" not in done.stdout.replace("register  Completed", "")
