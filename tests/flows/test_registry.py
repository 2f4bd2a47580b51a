"""What `tritune registry`, `promote` and `rollback` print."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from flows import registry
from flows.cli import main
from tritune.pipeline.decisions import Decision, record
from tritune.pipeline.registry import register


@pytest.fixture
def two(registered: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """v0.0.1 is champion with 0.9; v0.0.2 is challenger with 0.91."""
    registered.train("0.91")
    register(registered.folder)
    monkeypatch.chdir(registered.folder)
    return registered


@pytest.mark.usefixtures("two")
def test_every_version_has_a_row_with_its_scores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["registry"]) == 0
    heading, newest, oldest, *rest = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["version", "stage", "date", "method"]
    assert heading.split()[-6:] == ["validation", "macro", "F1", "test", "macro", "F1"]
    assert newest.split()[:2] == ["v0.0.2", "challenger"]
    assert newest.split()[-5:] == ["full,", "seed", "13", "0.8600", "0.9100"]
    assert oldest.split()[:2] == ["v0.0.1", "champion"]
    assert oldest.split()[-2:] == ["0.8500", "0.9000"]
    assert "git push origin classifier@v0.0.2" in "\n".join(rest)


@pytest.mark.usefixtures("two")
def test_a_narrow_terminal_gets_a_paragraph_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "40")
    registry.show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "v0.0.2 challenger"
    assert "  test macro F1: 0.9100" in lines
    assert "v0.0.1 champion" in lines


@pytest.mark.usefixtures("two")
def test_the_last_retrainings_say_what_they_decided(two: Project, capsys: pytest.CaptureFixture[str]):
    for number in range(7):
        date = datetime(2026, 1, 1 + number, 12, tzinfo=UTC)
        record(two.folder, Decision("kept out", f"reason {number}", "v0.0.2", date=date))
    assert main(["registry"]) == 0
    said = capsys.readouterr().out
    after = said.partition("last retrainings:\n")[2].splitlines()
    assert [line.partition("  ")[2] for line in after[:5]] == [
        f"kept out: reason {number}" for number in (6, 5, 4, 3, 2)
    ]
    assert after[0].startswith("2026-01-07 ")
    assert "reason 1" not in said


def test_an_empty_registry_names_the_next_move(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(project.folder)
    registry.show()
    assert "no version is registered yet; `tritune run` registers the first" in capsys.readouterr().out


@pytest.mark.usefixtures("two")
def test_promoting_and_rolling_back_say_who_is_champion(capsys: pytest.CaptureFixture[str]):
    assert main(["promote", "v0.0.2"]) == 0
    assert "classifier v0.0.2 is now the champion instead of v0.0.1" in capsys.readouterr().out
    assert main(["rollback"]) == 0
    assert "classifier v0.0.1 is now the champion instead of v0.0.2" in capsys.readouterr().out


def test_the_gate_ends_the_command_with_2_and_force_opens_it(
    two: Project, capsys: pytest.CaptureFixture[str]
):
    two.train("0.5")
    register(two.folder)
    assert main(["promote", "v0.0.3"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "error: v0.0.3 is worse than the champion v0.0.1 on the same test set" in said.err
    assert main(["promote", "v0.0.3", "--force"]) == 0
