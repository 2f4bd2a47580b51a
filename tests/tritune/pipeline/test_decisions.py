"""The line of decisions: what was decided is read again, and nothing else of the repository changes."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, trained
from registry_project import Project

from tritune.pipeline.decisions import REF, Decision, read_decisions, record


def test_decisions_come_back_the_latest_first(project: Project):
    assert read_decisions(project.folder) == []
    first = Decision("nothing new", "nothing changed", date=datetime(2026, 1, 1, 3, tzinfo=UTC))
    second = Decision(
        "kept out",
        'v0.0.2 is kept out: it is worse; "quoted"',
        "v0.0.2",
        {"gate": {"p": 0.5}},
        datetime(2026, 1, 2, 3, tzinfo=UTC),
    )
    before = project.git("status", "--porcelain"), project.git("rev-parse", "HEAD"), project.tags()
    record(project.folder, first)
    record(project.folder, second)
    assert read_decisions(project.folder) == [second, first]
    assert read_decisions(project.folder, most=1) == [second]
    assert (project.git("status", "--porcelain"), project.git("rev-parse", "HEAD"), project.tags()) == before
    subjects = project.git("log", "--format=%s", REF).splitlines()
    assert subjects == ['kept out: v0.0.2 is kept out: it is worse; "quoted"', "nothing new: nothing changed"]


def test_a_reason_of_several_lines_is_kept_as_one(project: Project):
    record(project.folder, Decision("kept out", "class 'a\n\nb' is worse", "v0.0.2"))
    (found,) = read_decisions(project.folder)
    assert (found.reason, found.version) == ("class 'a b' is worse", "v0.0.2")


def test_what_is_no_decision_is_passed_over(project: Project):
    record(project.folder, Decision("kept out", "first", "v0.0.2"))
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    tree, before = project.git("rev-parse", f"{REF}^{{tree}}"), project.git("rev-parse", REF)
    for body in ("not JSON", "[1]"):
        before = project.git(*who, "commit-tree", tree, "-p", before, "-m", f"Note\n\n{body}")
    project.git("update-ref", REF, before)
    record(project.folder, Decision("failed", "second"))
    assert [one.reason for one in read_decisions(project.folder)] == ["second", "first"]
