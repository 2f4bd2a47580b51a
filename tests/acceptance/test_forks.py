"""Stages as forks of a process that has the libraries loaded, and each in an interpreter of its own."""

import contextlib
import sys
from functools import partial

import psutil
import pytest

from tritune.pipeline.dag import Stage, read_stages
from tritune.pipeline.forked import ForkServer
from tritune.pipeline.reproduce import StageRunner

STAGES = ("train@full-13", "evaluate@full-13", "baseline")


def count_forks(server: ForkServer, counts: list[int], _line: str) -> None:
    counts.append(len(psutil.Process(server._process.pid).children()))


@pytest.mark.skipif(sys.platform != "linux", reason="forks after imports are safe on Linux alone")
def test_both_give_the_same_bits_with_threads_of_the_stages_own(first_run, monkeypatch):
    clone = first_run()
    for name, value in clone.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(clone.folder)

    # One epoch: with two threads, beside other tests on two cores, each takes long.
    def change(params):
        params["compute"].update(threads=2, prefix_memo_gib=0)
        params["train"].update(epochs=1)

    clone.set_params(change)
    stages: dict[str, Stage] = {stage.name: stage for stage in read_stages(clone.folder)}
    locks = []
    with contextlib.closing(ForkServer(clone.folder)) as server:
        assert server.is_ready(wait_seconds=120)
        for starter in (server, None):
            runner = StageRunner(clone.folder, receipts=clone.folder / ".dvc/tmp/receipts", server=starter)
            forked: list[int] = []
            for name in STAGES:
                emit = partial(count_forks, server, forked)
                outcome = runner.bring_up_to_date(stages[name], force=True, emit=emit)
                assert outcome.state == "Completed"
            assert any(forked) is (starter is server)
            locks.append((clone.folder / "dvc.lock").read_bytes())
    assert locks[0] == locks[1]
    assert b"threads: 2" in locks[0]
