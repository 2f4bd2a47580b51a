"""One stage at a time by DVC, without Prefect."""

import dataclasses
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from toy_project import Toy, wait_until

from tritune.pipeline import process_group
from tritune.pipeline.dag import order_lock, read_stages
from tritune.pipeline.dvc_output import is_noise
from tritune.pipeline.outcome import StageFailed, rerun_command
from tritune.pipeline.reproduce import StageRunner


@pytest.fixture
def runner(toy: Toy, monkeypatch) -> StageRunner:
    for name, value in toy.environment.items():
        monkeypatch.setenv(name, value)
    return StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts")


def stage(toy: Toy, name: str):
    return next(stage for stage in read_stages(toy.folder) if stage.name == name)


def test_completed_then_cached_then_restored(toy, runner):
    prepare = stage(toy, "prepare")
    assert prepare.reasons == ("never ran with these settings",)
    first = runner.bring_up_to_date(prepare)
    assert (first.state, first.message) == ("Completed", "ran")
    assert (toy.folder / f".dvc/cache/runs/{first.key[:2]}/{first.key}").is_dir()
    assert not stage(toy, "prepare").stale
    assert runner.bring_up_to_date(prepare).state == "Cached"
    (toy.folder / "dvc.lock").unlink()
    (toy.folder / "data/tokens/rows.json").unlink()
    assert runner.bring_up_to_date(prepare).state == "Restored"
    assert runner.bring_up_to_date(prepare, force=True).state == "Completed"


@pytest.mark.parametrize("spoil", [lambda held: held[:-1], lambda held: held.replace(b"1", b"2", 1)])
def test_what_a_damaged_cache_gives_back_is_not_taken_and_the_stage_runs(toy, runner, spoil):
    prepare, rows = stage(toy, "prepare"), toy.folder / "data/tokens/rows.json"
    runner.bring_up_to_date(prepare)
    whole, lock = rows.read_bytes(), (toy.folder / "dvc.lock").read_bytes()
    damaged = next(path for path in toy.folder.glob(".dvc/cache/files/md5/*/*") if path.read_bytes() == whole)
    damaged.chmod(0o644)
    damaged.write_bytes(spoil(whole))
    damaged.chmod(0o444)  # as a disk does it: DVC trusts what is read-only
    shutil.rmtree(rows.parent)
    said: list[str] = []
    assert runner.bring_up_to_date(prepare, emit=said.append).state == "Completed"
    assert (
        "DVC's cache gave data/tokens back with other bytes than were kept; what is damaged there was "
        "removed, and the stage runs anew"
    ) in said
    assert rows.read_bytes() == damaged.read_bytes() == whole
    assert (toy.folder / "dvc.lock").read_bytes() == lock


def test_it_works_without_the_environment_activated(toy, runner, monkeypatch):
    own = str(Path(sys.executable).parent)
    others = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != own]
    monkeypatch.setenv("PATH", os.pathsep.join(others))
    assert runner.bring_up_to_date(stage(toy, "prepare")).state == "Completed"
    assert rerun_command("prepare").endswith('$PATH" dvc repro -s prepare')
    assert own in rerun_command("prepare") or "$PWD" in rerun_command("prepare")


def test_stopping_ends_what_runs_and_refuses_what_comes(toy, runner):
    prepare = stage(toy, "prepare")
    (toy.folder / "tasks/prepare.py").write_text("import time\ndef run(ctx):\n    time.sleep(60)\n")
    failures: list[StageFailed] = []

    def bring() -> None:
        try:
            runner.bring_up_to_date(prepare)
        except StageFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=bring)
    thread.start()
    wait_until(lambda: (toy.folder / ".dvc/tmp/receipts/prepare.json").exists())
    runner.stop()
    thread.join(10)
    assert [failure.error for failure in failures] == ["stopped"]
    assert not toy.processes()
    with pytest.raises(StageFailed, match="stopped before it started"):
        runner.bring_up_to_date(prepare)


def test_a_stage_that_does_not_react_is_killed(toy, runner, monkeypatch):
    monkeypatch.setattr(process_group, "SECONDS_TO_END", 0.5)
    prepare = stage(toy, "prepare")
    (toy.folder / "tasks/prepare.py").write_text(
        "import signal, time\n"
        "def run(ctx):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    print('deaf', flush=True)\n"
        "    time.sleep(60)\n"
    )
    said = threading.Event()
    failures = []

    def bring() -> None:
        try:
            runner.bring_up_to_date(prepare, emit=lambda _: said.set())
        except StageFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=bring)
    thread.start()
    assert said.wait(20)
    runner.stop()
    thread.join(10)
    assert failures
    assert not toy.processes()


def test_a_stage_that_takes_too_long_is_stopped(toy, runner):
    prepare = dataclasses.replace(stage(toy, "prepare"), meta={"timeout": 2})
    (toy.folder / "tasks/prepare.py").write_text("import time\ndef run(ctx):\n    time.sleep(60)\n")
    with pytest.raises(StageFailed, match=r"took longer than 2 seconds \(meta\.timeout in dvc\.yaml\)"):
        runner.bring_up_to_date(prepare)
    assert not toy.processes()


def test_an_error_of_dvc_s_own_is_passed_on_without_its_noise(toy, runner):
    with pytest.raises(StageFailed) as raised:
        runner.bring_up_to_date(stage(toy, "compare"))
    assert "metrics" in raised.value.error
    assert "failed to reproduce" not in raised.value.error
    assert not raised.value.busy


def test_dvc_s_own_lines_are_told_from_the_stage_s():
    for line in (
        "Running stage 'a':",
        "> python -m tasks a",
        "Updating lock file 'dvc.lock'",
        "\tgit add dvc.lock",
    ):
        assert is_noise(line)
    for line in ("epoch 1/2", "Running out of ideas", "error: no"):
        assert not is_noise(line)


def test_dvc_lock_is_put_in_the_order_of_dvc_yaml_with_the_same_content(toy, runner):
    toy.change("train", batch_size=2)
    names = ["prepare", "train@partial-13", "train@full-13"]
    for name in names:
        runner.bring_up_to_date(stage(toy, name))
    lock = toy.folder / "dvc.lock"
    before = lock.read_text()
    order_lock(toy.folder, read_stages(toy.folder))
    after = lock.read_text()
    assert before.index("train@partial-13:") < before.index("train@full-13:")
    assert after.index("train@full-13:") < after.index("train@partial-13:")
    assert sorted(before.splitlines()) == sorted(after.splitlines())
    assert toy.stale() == {stage.name for stage in read_stages(toy.folder) if stage.stale}
