"""What the registry's tags add up to, and how new ones are written."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tritune.errors import InputError
from tritune.pipeline.registry_tags import Tags, read_tags, stage_tag, version_tag, write_tags

AGAIN = "a message\n\nwith lines\nand an end"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with three commits, c0 to c2 as tags of no registry, and nobody's name."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "a repository"
    folder.mkdir()
    call(folder, "init", "-q", "-b", "main")
    for i in range(3):
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        call(folder, *author, "commit", "-q", "--allow-empty", "-m", f"c{i}")
        call(folder, "tag", f"c{i}")
    return folder


def call(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def add(folder: Path, *names: str, commit: str, message: str = "m") -> Tags:
    """Write tags by name on a commit, and return all that there are then."""
    write_tags(
        folder,
        read_tags(folder, "model"),
        [(name, call(folder, "rev-parse", commit), message) for name in names],
    )
    return read_tags(folder, "model")


def test_an_empty_repository_starts_at_gtos_first_version(repository: Path):
    tags = read_tags(repository, "model")
    assert tags.registered == []
    assert tags.stages == {}
    assert tags.next_version == "v0.0.1"
    assert stage_tag(tags, "champion") == "model#champion#1"


def test_what_is_written_is_read(repository: Path):
    tags = add(repository, "model@v0.0.1", "model#champion#1", commit="c0", message=AGAIN)
    (event,) = tags.registered
    assert (event.version, event.message.strip()) == ("v0.0.1", AGAIN)
    assert event.commit == call(repository, "rev-parse", "c0^{commit}")
    assert tags.stages == {"champion": "v0.0.1"}
    assert tags.next_version == "v0.0.2"
    assert stage_tag(tags, "challenger") == "model#challenger#2"


def test_the_latest_assignment_holds_the_stage_however_fast_they_follow(repository: Path):
    add(repository, "model@v0.0.1", commit="c0")
    add(repository, "model@v0.0.2", commit="c1")
    for number, commit in enumerate(("c0", "c1", "c0", "c1", "c0"), start=1):
        tags = add(repository, f"model#champion#{number}", commit=commit)
        assert tags.holder("champion") == {"c0": "v0.0.1", "c1": "v0.0.2"}[commit]
    seconds = [event.seconds for event in tags.events if event.stage]
    assert seconds == sorted(set(seconds))
    shown = subprocess.run(
        [str(Path(sys.executable).parent / "gto"), "show", "--json"],
        cwd=repository,
        capture_output=True,
        check=True,
    )
    assert json.loads(shown.stdout)["model"]["stage"]["champion"] == "v0.0.1"


def test_tags_of_others_and_lightweight_tags_are_left_out(repository: Path):
    call(repository, "tag", "model@v0.0.9", "c0")
    call(repository, "tag", "model#champion#7", "c0")
    call(repository, "tag", "v1.0", "c0")
    tags = add(repository, "other@v3.0.0", "model2@v5.0.0", commit="c1")
    assert tags.registered == []
    assert tags.holder("champion") is None
    # The number is taken all the same: git would not make that tag again.
    assert stage_tag(tags, "champion") == "model#champion#8"


def test_a_stage_that_was_taken_away_is_held_by_who_had_it_before(repository: Path):
    add(repository, "model@v0.0.1", "model#champion#1", commit="c0")
    add(repository, "model@v0.0.2", "model#champion#2", commit="c1")
    tags = add(repository, "model#champion!#3", commit="c1")
    assert tags.holder("champion") == "v0.0.1"


def test_a_deregistered_version_holds_nothing_and_its_number_stays_used(repository: Path):
    add(repository, "model@v0.0.1", "model#champion#1", commit="c0")
    tags = add(repository, "model@v0.0.1!", commit="c0")
    assert tags.registered == []
    assert tags.stages == {}
    assert tags.next_version == "v0.0.2"


def test_versions_are_ordered_as_numbers(repository: Path):
    add(repository, "model@v0.0.10", commit="c0")
    tags = add(repository, "model@v0.0.9", commit="c1")
    assert [event.version for event in tags.registered] == ["v0.0.9", "v0.0.10"]
    assert tags.next_version == "v0.0.11"


def test_a_clock_that_went_back_does_not_turn_the_order_round(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    add(repository, "model@v0.0.1", "model#champion#1", commit="c0")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    tags = add(repository, "model@v0.0.2", "model#champion#2", commit="c1")
    assert tags.holder("champion") == "v0.0.2"


def test_tags_are_written_together_or_not_at_all(repository: Path):
    add(repository, "model@v0.0.1", commit="c0")
    with pytest.raises(
        InputError,
        match=r"the tag model@v0\.0\.1 appeared at this moment, made by another process; try again",
    ):
        add(repository, "model#champion#1", "model@v0.0.1", commit="c1")
    assert read_tags(repository, "model").stages == {}


def test_a_lock_that_a_kill_left_is_removed_and_a_fresh_one_respected(repository: Path):
    lock = repository / ".git/refs/tags/model@v0.0.1.lock"
    lock.touch()
    with pytest.raises(InputError, match=r"git update-ref failed .*model@v0\.0\.1\.lock"):
        add(repository, "model@v0.0.1", commit="c0")
    long_ago = time.time() - 3600
    os.utime(lock, (long_ago, long_ago))
    assert add(repository, "model@v0.0.1", commit="c0").next_version == "v0.0.2"


def test_packed_tags_are_read(repository: Path):
    add(repository, "model@v0.0.1", "model#champion#1", commit="c0")
    call(repository, "pack-refs", "--all")
    assert read_tags(repository, "model").stages == {"champion": "v0.0.1"}


def test_version_tags_are_named_by_gto():
    assert version_tag("model", "v1.2.3") == "model@v1.2.3"
