import os
import select
import subprocess
import sys

import pytest

from tritune.errors import InputError
from tritune.pipeline import locks
from tritune.pipeline.locks import (
    Busy,
    _listed_gpus,
    alone,
    held,
    holder,
    one_of,
    training_slots,
    usable_cores,
)


def test_a_held_lock_refuses_others_and_names_its_holder(tmp_path):
    path = tmp_path / "run.lock"
    with held(path):
        assert holder(path) == os.getpid()
        with pytest.raises(Busy, match=f"run.lock is held by process {os.getpid()}"), held(path):
            pass
    assert holder(path) is None
    with held(path):
        pass


def test_nobody_holds_a_lock_that_was_never_taken(tmp_path):
    assert holder(tmp_path / "none.lock") is None
    assert not (tmp_path / "none.lock").exists()


def test_cpu_slots_are_as_many_as_trainings_fit_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "usable_cores", lambda: 8)
    for threads, slots in ((1, 8), (3, 2), (8, 1), (64, 1)):
        assert len(training_slots(threads=threads, device="cpu", folder=tmp_path)) == slots


def test_each_gpu_is_a_slot_that_sees_only_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "torch_may_use_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 3")
    slots = training_slots(threads=1, device="auto", folder=tmp_path)
    assert [slot.environment for slot in slots] == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "3"},
    ]
    assert len({slot.locks for slot in slots}) == 2
    with_cpu = training_slots(threads=1, device="cpu", folder=tmp_path)
    assert all(not slot.environment for slot in with_cpu)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_no_slots(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert locks.visible_gpus() == []


def test_a_cpu_build_of_torch_makes_cpu_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.metadata, "version", lambda _: "2.13.0+cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert training_slots(threads=1, device="auto", folder=tmp_path)[0].environment == {}


def test_the_listing_of_nvidia_smi():
    whole = "GPU 0: NVIDIA H200 (UUID: GPU-aa)\nGPU 1: NVIDIA H200 (UUID: GPU-bb)\n"
    assert _listed_gpus(whole) == ["GPU-aa", "GPU-bb"]
    cut = (
        "GPU 0: NVIDIA H200 (UUID: GPU-aa)\n"
        "  MIG 3g.71gb Device 0: (UUID: MIG-11)\n  MIG 3g.71gb Device 1: (UUID: MIG-22)\n"
        "GPU 1: NVIDIA H200 (UUID: GPU-bb)\n"
    )
    assert _listed_gpus(cut) == ["MIG-11", "MIG-22", "GPU-bb"]


def test_a_slot_is_one_that_nobody_has(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "usable_cores", lambda: 2)
    slots = training_slots(threads=1, device="cpu", folder=tmp_path)
    with one_of(slots) as first, one_of(slots) as second:
        assert {first.locks, second.locks} == {slot.locks for slot in slots}


def names(slots):
    return [[lock.name for lock in slot.locks] for slot in slots]


def test_a_training_of_several_processes_takes_as_many_places(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "usable_cores", lambda: 5)
    pairs = training_slots(threads=1, device="cpu", folder=tmp_path, processes=2)
    assert names(pairs) == [["cpu-0.lock", "cpu-1.lock"], ["cpu-2.lock", "cpu-3.lock"]]
    # More processes than cores run too, one after the other: they take what there is.
    assert len(training_slots(threads=1, device="cpu", folder=tmp_path, processes=9)[0].locks) == 5
    monkeypatch.setattr(locks, "torch_may_use_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3,4,5,6")
    pairs = training_slots(threads=1, device="auto", folder=tmp_path, processes=2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in pairs] == ["0,3", "4,5"]
    assert names(pairs)[0] == ["gpu-0.lock", "gpu-3.lock"]


def test_more_processes_than_gpus_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "torch_may_use_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InputError) as refused:
        training_slots(threads=1, device="auto", folder=tmp_path, processes=3)
    assert str(refused.value) == (
        "compute.processes: each takes a GPU of its own, and this machine has 2 (got 3); set it to 2 or "
        "less, or compute.device to cpu"
    )


def test_half_a_slot_is_not_held_while_the_other_half_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "usable_cores", lambda: 4)
    slots = training_slots(threads=1, device="cpu", folder=tmp_path, processes=2)
    with held(slots[0].locks[1]), one_of(slots) as slot:
        assert slot is slots[1]
        assert holder(slots[0].locks[0]) is None
        assert [holder(lock) for lock in slot.locks] == [os.getpid()] * 2


def test_there_is_at_least_one_core():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_who_is_not_alone_is_told_who_is_there(tmp_path):
    path = tmp_path / "lock"
    with (
        held(path),
        pytest.raises(InputError, match=f"process {os.getpid()} works here"),
        alone(path, wait_seconds=0, otherwise=lambda process: f"process {process} works here"),
    ):
        pass
    with alone(path, wait_seconds=0, otherwise=str):
        assert holder(path) == os.getpid()


def test_who_waits_longest_gets_the_next_slot(tmp_path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tritune.pipeline.locks import Slot, one_of\n"
        "with one_of([Slot((Path(sys.argv[1]) / 'cpu-0.lock',), {})]):\n"
        "    print('in', flush=True)\n"
        "    sys.stdin.readline()\n"
    )

    def come():
        return subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    first = come()
    assert first.stdout.readline() == "in\n"
    waiting = []
    for _ in range(4):
        waiting.append(come())
        assert waiting[-1].stdout.readline().startswith("waiting: 1 training at a time")
    waiting[1].kill()  # one that is gone is passed over
    waiting[1].wait()
    queue = [first, waiting[0], waiting[2], waiting[3]]
    while now := queue.pop(0):
        now.communicate("\n", timeout=60)
        if not queue:
            break
        # Who comes in prints, and waits for a line.
        assert select.select([one.stdout for one in queue], [], [], 60)[0] == [queue[0].stdout]
        assert queue[0].stdout.readline() == "in\n"
