"""What `tritune doctor` prints of servers and damaged objects, and its exit code."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import quiet_home, registered, trained, with_champion
from registry_project import Project

from flows.cli import main


@pytest.fixture
def here(registered: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    (registered.folder / "versions.yaml").write_text("# of no package\n{}\n")
    (registered.folder / "constraints.txt").write_text("")
    monkeypatch.chdir(registered.folder)
    monkeypatch.setenv("PREFECT_HOME", str(registered.folder / ".prefect"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return registered


@pytest.mark.usefixtures("here")
def test_warnings_are_no_failure(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Prefect: ok  no server is set: a run brings its own" in lines
    assert "run: ok  none is going on" in lines
    assert any(line.startswith("remote: warning  none is set") for line in lines)
    assert not any(line.startswith("hashes") for line in lines)


@pytest.mark.usefixtures("here")
def test_a_server_that_is_set_and_does_not_answer_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert main(["doctor"]) == 1
    assert (
        "Prefect: problem  PREFECT_API_URL is http://127.0.0.1:9/api, where no server answers; start it, or "
        "`unset PREFECT_API_URL`: a run brings its own\n"
    ) in capsys.readouterr().out


def test_a_ui_that_was_killed_is_told(here: Project, capsys: pytest.CaptureFixture[str]):
    record = here.folder / ".prefect/server.json"
    record.parent.mkdir()
    record.write_text('{"url": "http://127.0.0.1:9/api"}')
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"Prefect: warning  `tritune ui` was killed; start it again, or remove {record}\n" in said


def test_a_damaged_object_is_named_with_what_needs_it(here: Project, capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--full"]) == 0
    assert "hashes: ok  all " in capsys.readouterr().out
    (damaged,) = (
        path
        for path in (here.folder / ".dvc/cache/files").rglob("*")
        if path.is_file() and path.read_text() == "weights for 0.9"
    )
    damaged.chmod(0o644)
    damaged.write_text("weights for 0.8")
    damaged.chmod(0o444)  # as a disk does it: DVC trusts what is read-only
    assert main(["doctor", "--full"]) == 1
    assert (
        f"hashes: problem  damaged in DVC's cache: {damaged} (of models/selected/weights.txt); remove these "
        "files, then take them from the remote with `dvc fetch --all-tags`, or make them again with "
        "`tritune run`\n"
    ) in capsys.readouterr().out
