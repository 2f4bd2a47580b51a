"""A training that died on one machine goes on from its last checkpoint on another."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from toy_project import Toy

from tritune.errors import InputError
from tritune.pipeline import guard, shared_scratch
from tritune.pipeline.dag import Stage
from tritune.pipeline.identity import Identity
from tritune.pipeline.reproduce import StageRunner
from tritune.pipeline.shared_scratch import VARIABLE, Place, shared


def place(tmp_path: Path) -> Place:
    return Place(f"{tmp_path}/place/train@full-13/0123", named="place")


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def listed(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_is_whole_is_copied_and_what_went_away_goes_there_too(tmp_path: Path):
    scratch, there = tmp_path / "scratch", place(tmp_path)
    write(scratch, "training/step-5/state", "five")
    write(scratch, "training/unfinished-step-6/state", "si")
    write(scratch, "outputs/checkpoints/model", "half")
    there.copy(scratch)
    kept = tmp_path / "place/train@full-13/0123"
    assert listed(kept) == {"training/step-5/state": "five"}
    write(scratch, "training/step-9/state", "nine")
    (scratch / "training/step-5/state").unlink()
    there.copy(scratch)
    assert listed(kept) == {"training/step-9/state": "nine"}
    other = tmp_path / "other"
    other.mkdir()
    place(tmp_path).fetch(other)
    assert listed(other) == {"training/step-9/state": "nine"}
    there.remove()
    assert not kept.exists()
    there.remove()


def test_an_empty_place_gives_nothing(tmp_path: Path):
    (tmp_path / "scratch").mkdir()
    place(tmp_path).fetch(tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_scratch_of_one_s_own_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "place"))
    write(tmp_path / "place/stage/key", "step", "another's")
    write(tmp_path / "scratch", "step", "mine")
    with shared(tmp_path / "scratch", stage="stage", key="key"):
        assert listed(tmp_path / "scratch") == {"step": "mine"}


def test_an_address_of_a_kind_that_is_not_installed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(VARIABLE, "carrier-pigeon://loft")
    with (
        pytest.raises(
            InputError,
            match=r"^TRITUNE_CHECKPOINTS: 'carrier-pigeon://loft' cannot be used \(Protocol not known: "
            r"carrier-pigeon\); give a folder or an address whose package is installed, or unset it$",
        ),
        shared(tmp_path, stage="stage", key="key"),
    ):
        pass


def test_a_place_that_does_not_answer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = place(tmp_path)

    def refuse(_folder: str) -> list[str]:
        raise PermissionError("secret")

    monkeypatch.setattr(there._files, "find", refuse)
    with pytest.raises(
        InputError,
        match=r"^TRITUNE_CHECKPOINTS: 'place' cannot be reached \(PermissionError\); check address and "
        r"passwords, or unset it$",
    ):
        there.fetch(tmp_path)


def test_an_address_is_told_without_its_password():
    with pytest.raises(InputError, match=r"^TRITUNE_CHECKPOINTS: 'carrier-pigeon://loft' cannot be used "):
        Place("carrier-pigeon://ann:secret@loft/key", named="carrier-pigeon://ann:secret@loft")


def test_a_place_that_does_not_answer_at_once_is_refused(monkeypatch: pytest.MonkeyPatch):
    def refuse(_address: str) -> None:
        raise ConnectionRefusedError("secret")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(InputError, match=r"^TRITUNE_CHECKPOINTS: 'sftp://loft' cannot be reached "):
        Place("sftp://loft/key", named="sftp://loft")


def test_a_training_that_ended_does_not_wait_for_more_than_one_file(tmp_path: Path):
    ended, there = threading.Event(), place(tmp_path)
    put = there._files.put_file

    def end_meanwhile(*arguments: str) -> None:
        put(*arguments)
        ended.set()

    there._files.put_file = end_meanwhile
    for name in ("a", "b", "c"):
        write(tmp_path / "scratch", name, name)
    try:
        there.copy(tmp_path / "scratch", ended=ended)
    finally:
        del there._files.put_file
    assert listed(tmp_path / "place") == {"train@full-13/0123/a": "a"}


def test_only_trainings_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What `ingest` lays aside is the user's rows, as large as all data."""
    monkeypatch.setenv(VARIABLE, "carrier-pigeon://loft")
    ingest = Identity("0123", {}, (), "0123", cache=tmp_path, meta={"provenance": False})
    with guard._kept_for_others(ingest, tmp_path, stage="ingest"):
        pass
    train = replace(ingest, meta={"resource": "training"})
    with (
        pytest.raises(InputError, match="cannot be used"),
        guard._kept_for_others(train, tmp_path, stage="train"),
    ):
        pass


def test_a_copy_that_fails_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "place"))
    monkeypatch.setattr(shared_scratch, "SECONDS_BETWEEN_LOOKS", 0.01)
    tried = threading.Event()

    def fail(_self: Place, _scratch: Path, **_: object) -> None:
        tried.set()
        raise OSError("no space there")

    monkeypatch.setattr(Place, "copy", fail)
    (tmp_path / "scratch").mkdir()
    with shared(tmp_path / "scratch", stage="stage", key="key"):
        assert tried.wait(10)


def test_another_machine_goes_on_from_what_lies_at_the_place(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {**toy.environment, VARIABLE: str(tmp_path / "place")}.items():
        monkeypatch.setenv(name, value)
    toy.environment[VARIABLE] = str(tmp_path / "place")
    assert toy.dvc("repro", "-s", "prepare")[0] == 0
    code, _ = toy.dvc("repro", "-s", "train@full-13", TOY_EVENTS='{"train@full-13": "out of memory"}')
    assert code != 0
    # What the copy beside a longer training would have brought there.
    (scratch,) = toy.folder.glob(".dvc/tmp/tritune/scratch/train@full-13/*")
    place_of_stage = Place(f"{tmp_path}/place/train@full-13/{scratch.name}", named="place")
    place_of_stage.copy(scratch)
    scratch.rename(tmp_path / "lost with the machine")
    runner = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts")
    assert runner.bring_up_to_date(Stage("train@full-13", ())).message == "resumed from step 10"
    assert not (tmp_path / f"place/train@full-13/{scratch.name}").exists()
