"""A second clone gets from DVC's remote what the first one made, whole or not at all."""

import contextlib
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_project import Toy, make_toy, toy_environment

from tritune.errors import InputError
from tritune.pipeline import remote_results
from tritune.pipeline.dag import Stage
from tritune.pipeline.opening import open_repository
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.remote_results import remote_name, told
from tritune.pipeline.reproduce import StageRunner

STAGES = ["prepare", "train@full-13", "evaluate@full-13"]
MADE = ("cache", "tmp", "data", "checkpoints", "evaluations", "metrics", "results", "dvc.lock")


def fetch_result(toy: Toy, stage: str) -> str:
    with contextlib.chdir(toy.folder):
        return remote_results.fetch_result(stage)


def share_result(toy: Toy, stage: str) -> None:
    with contextlib.chdir(toy.folder):
        remote_results.share_result(stage)


def clone(toy: Toy, name: str) -> Toy:
    """A copy of what git would hold, without dvc.lock and metrics: nobody committed them."""
    shutil.copytree(toy.folder, toy.folder.parent / name, ignore=shutil.ignore_patterns(*MADE))
    return Toy(toy.folder.parent / name, toy.environment)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy that is up to date and has an empty remote."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "home").mkdir()
    toy = make_toy(folder / "toy project", toy_environment(folder / "home"))
    params = toy.folder / "params.yaml"
    params.write_text(params.read_text().replace("[full, partial, adaptive]", "[full]"))
    config = toy.folder / ".dvc/config"
    config.write_text(config.read_text().replace("[core]", "[core]\n    remote = shelf"))
    with config.open("a") as file:
        file.write(f"['remote \"shelf\"']\n    url = {folder / 'shelf'}\n")
    assert toy.dvc("repro", STAGES[-1])[0] == 0
    return toy


@pytest.fixture(scope="module")
def shared(made: Toy) -> Toy:
    for stage in STAGES:
        share_result(made, stage)
    return made


def test_nothing_is_found_before_anything_was_pushed(made: Toy):
    assert remote_name(made.folder) == "shelf"
    assert fetch_result(made, "prepare") == "here"
    assert fetch_result(clone(made, "early"), "prepare") == "nowhere"


def test_a_second_clone_restores_every_stage_and_has_the_same_lock(
    shared: Toy, monkeypatch: pytest.MonkeyPatch
):
    second = clone(shared, "second")
    # git holds metrics, so with plain `dvc push --run-cache` the evaluation would run anew.
    monkeypatch.setattr("dvc.stage.run.cmd_run", lambda stage, **_: pytest.fail(f"{stage} ran"))
    for stage in STAGES:
        assert fetch_result(second, stage) == "fetched"
        with contextlib.chdir(second.folder), open_repository(second.folder) as repo:
            repo.reproduce(stage, single_item=True)
    assert second.checkpoints() == shared.checkpoints()
    assert (second.folder / "dvc.lock").read_text() == (shared.folder / "dvc.lock").read_text()
    assert fetch_result(second, STAGES[-1]) == "here"


def test_a_changed_parameter_has_no_result_there(shared: Toy):
    second = clone(shared, "changed")
    second.change("tokenize", max_length=8)
    assert fetch_result(second, "prepare") == "nowhere"


def test_what_dvc_push_left_there_is_enough_where_git_has_the_lock(made: Toy, tmp_path: Path):
    pushed = tmp_path / "pushed"
    shutil.copytree(made.folder, pushed)
    config = pushed / ".dvc/config"
    config.write_text(config.read_text().replace("/shelf", "/plain shelf"))
    assert Toy(pushed, made.environment).dvc("push")[0] == 0
    for path in ("data", "checkpoints", "evaluations", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(pushed / path)
    # Not in any cache, so that DVC would ask before it takes it away.
    (pushed / "checkpoints/full-13").mkdir(parents=True)
    (pushed / "checkpoints/full-13/by hand").touch()
    assert [fetch_result(Toy(pushed, made.environment), stage) for stage in STAGES] == ["fetched"] * 3
    assert Toy(pushed, made.environment).stale() == {"compare"}


def test_a_result_of_which_a_file_is_gone_counts_as_none(shared: Toy, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(shared.folder.parent / "shelf", broken)
    for path in (broken / "files/md5").rglob("*"):
        if path.is_file() and not path.name.endswith(".dir"):
            path.unlink()
    second = clone(shared, "broken clone")
    config = second.folder / ".dvc/config"
    config.write_text(config.read_text().replace(str(shared.folder.parent / "shelf"), str(broken)))
    assert fetch_result(second, "prepare") == "nowhere"
    assert not list(second.folder.glob(".dvc/cache/runs/*/*/*"))


def test_a_remote_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    asleep = threading.Event()
    store = SimpleNamespace(fs=SimpleNamespace(exists=lambda _: asleep.wait()))
    monkeypatch.setattr(remote_results, "SECONDS_TO_ANSWER", 0.01)
    with pytest.raises(TimeoutError, match=r"^no answer within 0 seconds$"):
        remote_results._listed(store, "runs/01/0123")
    asleep.set()


def test_a_worker_gets_what_its_stage_reads_and_no_more(shared: Toy):
    second = clone(shared, "worker")
    shutil.copy(shared.folder / "dvc.lock", second.folder / "dvc.lock")
    with contextlib.chdir(second.folder):
        remote_results.fetch_inputs("train@full-13")
    assert (second.folder / "data/tokens/rows.json").is_file()
    assert not (second.folder / "checkpoints").exists()


def test_only_what_is_up_to_date_is_pushed(shared: Toy):
    second = clone(shared, "stale")
    with pytest.raises(
        InputError, match=r"^prepare is not up to date, so it has no result to push; run `tritune run` first$"
    ):
        share_result(second, "prepare")


@pytest.fixture
def unreachable(made: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A clone whose remote needs a package that is not there, or a server that does not answer."""
    second = clone(made, "unreachable")
    config = second.folder / ".dvc/config"
    config.write_text(config.read_text().replace(f"{made.folder.parent}/shelf", "ssh://127.0.0.1:9/shelf"))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return second


def test_a_remote_that_does_not_answer_stops_nothing(unreachable: Toy, monkeypatch: pytest.MonkeyPatch):
    runner = StageRunner(unreachable.folder, receipts=unreachable.folder / ".dvc/tmp/receipts", fetch=True)
    said: list[str] = []
    outcome = runner.bring_up_to_date(Stage("prepare", ()), emit=said.append)
    assert outcome.state == "Completed"
    assert said[0].startswith("DVC's remote did not answer; this run asks it no more and trains: ")
    (unreachable.folder / "dvc.lock").unlink()
    monkeypatch.setattr(runner, "find_result", lambda *_: pytest.fail("it is asked again"))
    assert runner.bring_up_to_date(Stage("prepare", ()), emit=said.append).state == "Restored"


def test_a_default_remote_that_nobody_defined_is_no_matter_of_the_pipeline(made: Toy):
    second = clone(made, "undefined")
    config = second.folder / ".dvc/config"
    config.write_text(config.read_text().replace("remote = shelf", "remote = attic"))
    with pytest.raises(
        InputError,
        match=r"^DVC cannot use its settings: .*remote 'attic'.*; mend \.dvc/config or \.dvc/config\.local$",
    ):
        fetch_result(second, "prepare")


def test_what_cannot_be_passed_on_fails_the_stage_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runner = StageRunner(tmp_path, receipts=tmp_path)
    complaint = "print('no way to https://ann:secret@x'); exit(1)"
    start = runner._start
    monkeypatch.setattr(runner, "_start", lambda stage, _: start(stage, ["-c", complaint]))
    with pytest.raises(StageFailed) as raised:
        runner.share_result("prepare")
    assert raised.value.error == (
        "its result is here, but could not be pushed to DVC's remote: no way to https://x"
    )
    with pytest.raises(StageFailed) as raised:
        runner.fetch_inputs("train@full-13")
    assert raised.value.error == "what it reads could not be had from DVC's remote: no way to https://x"


def test_an_address_is_told_without_its_password():
    error = OSError("cannot reach https://ann:secret@example.org/shelf\nat all")
    assert told(error) == "cannot reach https://example.org/shelf at all"
    assert told(KeyError()) == "KeyError"
