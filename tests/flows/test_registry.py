"""What `tritune registry`, `promote` and `rollback` print."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from flows import registry
from flows.cli import main
from tritune.pipeline.decisions import Decision, record
from tritune.pipeline.registry import promote, register
from tritune.promotion.verdict import Verdict


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


@dataclass
class Gate:
    """What the gate would say, and whom it was asked about."""

    verdict: Verdict
    asked: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: Callable[[], object] = bool

    def __call__(self, _tree: Path, *, champion: Any, challenger: Any, work: Path) -> Verdict:
        assert work.is_dir()
        self.asked.append((champion.version, challenger.version))
        self.meanwhile()
        return self.verdict


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    found = Gate(Verdict(True, "v0.0.2 takes the place of v0.0.1", {}))
    monkeypatch.setattr("flows.gate.compare_versions", found)
    return found


def test_by_hand_the_gate_of_the_nights_decides_and_the_tag_says_why(
    two: Project, gate: Gate, capsys: pytest.CaptureFixture[str]
):
    assert main(["promote", "0.0.2"]) == 0
    assert gate.asked == [("v0.0.1", "v0.0.2")]
    assert "classifier v0.0.2 is now the champion instead of v0.0.1" in capsys.readouterr().out
    message = two.git("tag", "--list", "--format=%(contents:subject)", two.tags()[-1])
    assert message == "Promoted v0.0.2 to champion: v0.0.2 takes the place of v0.0.1"
    assert main(["rollback"]) == 0
    assert "classifier v0.0.1 is now the champion instead of v0.0.2" in capsys.readouterr().out


def test_who_is_kept_out_ends_the_command_with_2_and_force_does_not_ask(
    two: Project, gate: Gate, capsys: pytest.CaptureFixture[str]
):
    gate.verdict = Verdict(False, "v0.0.2 is kept out: accuracy 0.5000 against 0.9000", {})
    before = two.tags()
    assert main(["promote", "v0.0.2"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: v0.0.2 is kept out: accuracy 0.5000 against 0.9000; train a better one, or promote it all "
        "the same with `tritune promote v0.0.2 --force`\n"
    )
    assert two.tags() == before
    assert main(["promote", "v0.0.2", "--force"]) == 0
    assert gate.asked == [("v0.0.1", "v0.0.2")]
    message = two.git("tag", "--list", "--format=%(contents:subject)", two.tags()[-1])
    assert message == "Promoted v0.0.2 to champion: by hand, without the gate"


def test_the_champion_itself_is_not_compared(two: Project, gate: Gate, capsys: pytest.CaptureFixture[str]):
    before = two.tags()
    assert main(["promote", "v0.0.1"]) == 0
    assert "classifier v0.0.1 is the champion already" in capsys.readouterr().out
    assert (two.tags(), gate.asked) == (before, [])


def test_a_champion_that_came_meanwhile_is_not_replaced_unseen(
    two: Project, gate: Gate, capsys: pytest.CaptureFixture[str]
):
    two.train("0.92")
    register(two.folder)
    gate.meanwhile = lambda: promote(two.folder, "v0.0.3")
    assert main(["promote", "v0.0.2"]) == 2
    assert capsys.readouterr().err == (
        "error: v0.0.3 is the champion now and no longer v0.0.1, with which v0.0.2 was compared; nothing is "
        "promoted\n"
    )
