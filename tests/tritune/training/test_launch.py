"""Processes that end together, whatever ends one of them. They import no torch, so they start at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tritune.errors import InputError, ProcessFailed
from tritune.training import launch
from tritune.training.launch import in_processes

ROOT = Path(__file__).parents[3]
ADVICE = "set train.batch_size below 8"


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch):
    monkeypatch.setattr(launch, "SECONDS_TO_HEAR", 0.2)


def run(function, *arguments, count=2):
    return in_processes(function, arguments, count=count, what="the training", advice=ADVICE)


def write_pid(number: int, folder: Path) -> None:
    path = folder / f"unfinished-{number}"
    path.write_text(str(os.getpid()))
    path.rename(folder / f"process-{number}")


def pids(folder: Path, count: int = 2) -> list[int]:
    """Wait until so many have begun, and return their process ids."""
    deadline = time.monotonic() + 60
    while len(paths := sorted(folder.glob("process-*"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(path.read_text()) for path in paths]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_for_ever(number: int, folder: Path) -> None:
    write_pid(number, folder)
    time.sleep(600)


def speak(number: int, folder: Path) -> str:
    print(f"said by {number}", flush=True)
    write_pid(number, folder)
    return f"given by {number}"


def test_the_first_process_alone_is_heard_and_its_value_comes_back(tmp_path, capfd):
    assert run(speak, tmp_path, count=3) == "given by 0"
    assert capfd.readouterr().out == "said by 0\n"
    assert not any(map(lives, pids(tmp_path, 3)))


def second_dies(number: int, folder: Path, signal_number: int) -> None:
    write_pid(number, folder)
    if number:
        pids(folder)  # the other one has begun, too
        os.kill(os.getpid(), signal_number)
    time.sleep(600)


@pytest.mark.parametrize("ran_out", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_killed_process_ends_the_others_and_says_what_would_help(tmp_path, monkeypatch, ran_out):
    counts = iter([3, 4 if ran_out else 3])
    monkeypatch.setattr(launch, "memory_kills", lambda: next(counts))
    with pytest.raises(InputError if ran_out else ProcessFailed) as failed:
        run(second_dies, tmp_path, signal.SIGKILL)
    assert str(failed.value) == "process 2 of the 2 that share the training ended early: " + (
        f"memory ran out, and the system killed its process: {ADVICE}"
        if ran_out
        else f"its process was killed; if nobody did that, memory ran out: {ADVICE}"
    )
    assert not any(map(lives, pids(tmp_path)))


@pytest.mark.slow
def test_a_process_that_crashes_is_named_with_its_signal(tmp_path):
    with pytest.raises(ProcessFailed) as failed:
        run(second_dies, tmp_path, signal.SIGABRT)
    assert str(failed.value) == (
        "process 2 of the 2 that share the training ended early: its process ended by SIGABRT"
    )


def second_fails(number: int, folder: Path, error: Exception) -> None:
    write_pid(number, folder)
    if number:
        raise error
    time.sleep(600)


def test_the_user_s_error_stays_the_user_s(tmp_path):
    with pytest.raises(InputError) as failed:
        run(second_fails, tmp_path, InputError("set a lower lr"))
    assert str(failed.value) == "set a lower lr"
    assert not any(map(lives, pids(tmp_path)))


def test_any_other_error_comes_with_its_traceback(tmp_path):
    with pytest.raises(ProcessFailed) as failed:
        run(second_fails, tmp_path, ValueError("a number"))
    lines = str(failed.value).splitlines()
    assert lines[0] == "one of the 2 processes:"
    assert "in second_fails" in str(failed.value)
    assert lines[-1] == "ValueError: a number"


PARENT = """
import signal, sys
from pathlib import Path
from tests.tritune.training.test_launch import run, wait_for_ever
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run(wait_for_ever, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_none_is_left_when_the_process_that_waits_is_ended(tmp_path, number):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    started = pids(tmp_path)
    parent.send_signal(number)
    assert parent.wait(timeout=60) == (143 if number == signal.SIGTERM else -number)
    deadline = time.monotonic() + 60
    while any(map(lives, started)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(lives, started))
