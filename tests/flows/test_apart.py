"""A process apart takes its turn, knows who started it, and does not outlive who did."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows import apart
from flows.apart import run_apart
from tritune.pipeline import supervisor
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import Slot, held, usable_cores

ROOT = Path(__file__).parents[2]
SAY = "import os\nfor name in ('CUDA_VISIBLE_DEVICES', 'TRITUNE_SUPERVISOR'): print(os.environ.get(name))\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "say.py").write_text(SAY)
    return tmp_path


def test_it_waits_for_its_place(folder: Path):
    ended = threading.Event()

    def run() -> None:
        run_apart("say", project=folder, compute={"device": "cpu", "threads": usable_cores()})
        ended.set()

    with held(folder / WORK / "slots/cpu-0.lock"):
        thread = threading.Thread(target=run)
        thread.start()
        assert not ended.wait(1.0)
    assert ended.wait(20.0)
    thread.join()


def test_it_has_the_place_s_gpu_and_knows_its_supervisor(folder: Path, monkeypatch: pytest.MonkeyPatch):
    slot = Slot((folder / "gpu-7.lock",), {"CUDA_VISIBLE_DEVICES": "7"})
    monkeypatch.setattr(apart, "training_slots", lambda **_: [slot])
    done = run_apart("say", project=folder, compute={})
    assert done.stdout.splitlines() == ["7", supervisor.signature()]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("tasks.exam", "nowhere", "full-13"), marks=pytest.mark.slow),  # it imports torch first
        ("flows.new_data", "nowhere"),
    ],
)
def test_what_is_run_apart_ends_without_its_supervisor(command: tuple[str, ...]):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, supervisor.VARIABLE: f"{os.getpid()}:0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == supervisor.ORPHANED
