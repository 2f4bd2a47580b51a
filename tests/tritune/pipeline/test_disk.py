"""A full disk: no result that DVC's cache lacks, no dvc.lock cut short, and one sentence."""

import errno
import re
from pathlib import Path

import pytest
from small_disk import SmallDisk, small_disk
from toy_project import Toy, make_toy, toy_environment

from tritune.errors import InputError
from tritune.pipeline import disk
from tritune.pipeline.dag import read_stages
from tritune.pipeline.disk import RESERVE, check_room, full_disk, no_space
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.reproduce import StageRunner

SENTENCE = (
    "no space left on the disk that holds {}; free some (`tritune prune` shows what nothing needs), then run "
    "again: nothing half-written was left behind"
)


def test_a_full_disk_is_seen_through_other_libraries_errors():
    outer = ValueError("could not serialize")
    outer.__cause__ = RuntimeError('IoError(Os { code: 28, message: "No space left on device" })')
    assert full_disk(outer)
    assert full_disk(OSError(errno.EDQUOT, "quota"))
    assert not full_disk(ValueError("else"))


def test_a_result_needs_its_own_room_in_the_cache_and_a_reserve(tmp_path: Path, monkeypatch):
    free = {tmp_path: 10 * RESERVE, tmp_path / "cache": 3 * RESERVE}
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free[path]}))
    (tmp_path / "cache").mkdir()
    cache = tmp_path / "cache" / "files"  # not made yet
    check_room(tmp_path)
    check_room(tmp_path, cache=cache, bytes_to_keep=2 * RESERVE)
    with pytest.raises(InputError, match=f"^{re.escape(SENTENCE.format(tmp_path / 'cache'))}$"):
        check_room(tmp_path, cache=cache, bytes_to_keep=2 * RESERVE + 1)
    free[tmp_path] = RESERVE - 1
    with pytest.raises(InputError, match=f"^{re.escape(SENTENCE.format(tmp_path))}$"):
        check_room(tmp_path)


@pytest.fixture
def full(tmp_path: Path) -> SmallDisk:
    with small_disk(tmp_path / "disk", megabytes=24) as mounted:
        yield mounted


@pytest.fixture
def toy(full: SmallDisk, tmp_path: Path) -> Toy:
    """A toy whose first stage is up to date, on a disk of its own."""
    (tmp_path / "home").mkdir()
    toy = make_toy(full.folder / "toy project", toy_environment(tmp_path / "home"))
    assert toy.dvc("repro", "-s", "prepare")[0] == 0
    return toy


TRAIN = ("repro", "-s", "train@full-13")


def test_a_stage_whose_result_does_not_fit_ends_before_dvc_writes_anything(toy: Toy, full: SmallDisk):
    before = (toy.folder / "dvc.lock").read_bytes()
    full.fill(leave=200_000)  # enough for the body, and for nothing more
    code, output = toy.dvc(*TRAIN)
    assert code != 0
    assert f"error: {SENTENCE.format(toy.folder)}\n" in output
    assert "Traceback" not in output
    assert (toy.folder / "dvc.lock").read_bytes() == before
    assert not toy.checkpoints()
    full.empty()
    assert toy.dvc(*TRAIN)[0] == 0


TAKES_THE_ROOM = """
import atexit, os
from pathlib import Path
from small_disk import SmallDisk
from toy_stages import train

def run(ctx):
    train(ctx)
    (ctx.output_folder("checkpoints/full-13") / "large").write_bytes(bytes(300_000))
    atexit.register(SmallDisk(Path(os.environ["DISK"])).fill, leave=24_000)
"""


@pytest.mark.slow
def test_a_file_that_dvc_could_not_keep_fails_the_stage_though_dvc_ends_well(
    toy: Toy, full: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Somebody else takes the room in the moment between the look and DVC's copying.
    body = (toy.folder / "tasks/train.py").read_text()
    (toy.folder / "tasks/train.py").write_text(TAKES_THE_ROOM)
    monkeypatch.setattr("os.environ", {**toy.environment, "DISK": str(full.folder)})
    runner = StageRunner(toy.folder, receipts=tmp_path / "receipts")
    (stage,) = (one for one in read_stages(toy.folder) if one.name == "train@full-13")
    with pytest.raises(StageFailed) as raised:
        runner.bring_up_to_date(stage)
    assert raised.value.error == no_space(toy.folder)
    assert raised.value.users_error
    full.empty()
    # What is not in the cache is not up to date, whatever dvc.lock says.
    assert stage.name in {one.name for one in read_stages(toy.folder) if one.stale}
    (toy.folder / "tasks/train.py").write_text(body)
    assert runner.bring_up_to_date(stage).state == "Completed"
    assert toy.dvc("status", "train@full-13")[1].strip() == "Data and pipelines are up to date."


@pytest.mark.slow
def test_a_command_on_a_full_disk_ends_in_the_sentence(toy: Toy, full: SmallDisk):
    full.fill()
    assert toy.tritune("run") == (2, f"error: {SENTENCE.format(toy.folder)}\n")
    full.empty()
    full.fill(leave=1_000_000)  # room to begin, and none for Prefect's database
    assert toy.tritune("run") == (2, f"error: {SENTENCE.format(toy.folder)}\n")
