"""What a night decides: the flow's logic with a real registry, and stand-ins for what takes minutes."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from flows import decision, home, night, own_server, retrain, watcher
from flows.cli import main
from flows.decision import publish
from flows.workspace import only_retraining
from tritune.drift.report import Check, DriftReport
from tritune.errors import InputError
from tritune.pipeline.decisions import Decision, read_decisions
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.registry import promote, register, rollback, versions

NEW_ROWS = DriftReport(40, 0, [], [Check("labels", 0.1, "total variation", 0.4, False)])
FEWER_ROWS = DriftReport(0, 30, [], [Check("labels", 0.02, "total variation", 0.9, False)])


@dataclass
class Night:
    """What the outside world would say tonight, and what the flow did."""

    project: Project
    changes: list[str] = field(default_factory=lambda: ["the data"])
    drift: DriftReport = NEW_ROWS
    score: str = "0.95"
    """Of the model that training gives."""

    passes: bool = True
    meanwhile: str = ""
    """A version that a person promotes while the gate is at work."""

    done: list[str] = field(default_factory=list)

    def decide(self) -> Decision:
        found = retrain._night(self.project.folder, self.project.folder)
        decision.record(self.project.folder, found)
        return found

    def champion(self) -> str:
        return next(one.version for one in versions(self.project.folder) if "champion" in one.stages)


@pytest.fixture
def tonight(registered: Project, monkeypatch: pytest.MonkeyPatch) -> Night:
    """v0.0.1 is champion; tonight there are new rows, and the challenger passes the gate."""
    night = Night(registered)

    def train(tree: Path, **_: Any) -> Any:
        night.done.append("train")
        night.project.train(night.score)
        return register(tree)

    def gate(_tree: Path, champion: Any, challenger: Any) -> tuple[bool, str, dict[str, Any]]:
        night.done.append(f"gate {challenger.version} against {champion.version}")
        if night.meanwhile:
            promote(night.project.folder, night.meanwhile)
        verdict = "takes the place" if night.passes else "is kept out"
        return night.passes, f"{challenger.version} {verdict}", {"p": 0.01}

    monkeypatch.setattr(retrain, "fetch", lambda _tree: night.done.append("fetch"))
    monkeypatch.setattr(retrain, "look_for_changes", lambda *_: night.changes)
    monkeypatch.setattr(retrain, "compare_data", lambda *_: night.drift)
    monkeypatch.setattr(retrain, "bring_all_up_to_date", train)
    monkeypatch.setattr(retrain, "gate", gate)
    return night


def test_a_better_challenger_becomes_champion_and_the_tag_says_why(tonight: Night):
    found = tonight.decide()
    assert (found.outcome, found.version) == ("promoted", "v0.0.2")
    assert found.reason == "v0.0.2 takes the place; trained because of the data (40 new rows, no drift)"
    assert tonight.champion() == "v0.0.2"
    tag = tonight.project.tags()[-1]
    message = tonight.project.git("for-each-ref", "--format=%(contents:subject)", f"refs/tags/{tag}")
    assert message == f"Promoted v0.0.2 to champion: {found.reason}"
    assert found.details["gate"] == {"p": 0.01}
    assert found.details["drift"]["added"] == 40


def test_a_worse_one_is_registered_and_kept_out(tonight: Night):
    tonight.passes = False
    found = tonight.decide()
    assert (found.outcome, found.version) == ("kept out", "v0.0.2")
    assert tonight.champion() == "v0.0.1"
    assert [one.stages for one in versions(tonight.project.folder)] == [("challenger",), ("champion",)]


def test_a_champion_of_the_same_night_is_not_replaced_unseen_but_by_the_next_night(tonight: Night):
    tonight.project.train("0.92")
    register(tonight.project.folder)
    tonight.meanwhile = "v0.0.2"
    found = tonight.decide()
    assert (found.outcome, found.version, found.reason) == (
        "kept out",
        "",
        "v0.0.2 is the champion now and no longer v0.0.1, with which v0.0.3 was compared; nothing is "
        "promoted",
    )
    assert tonight.champion() == "v0.0.2"
    tonight.meanwhile, tonight.changes = "", []
    assert tonight.decide().outcome == "promoted"
    assert tonight.done[-1] == "gate v0.0.3 against v0.0.2"
    assert tonight.champion() == "v0.0.3"


def test_a_challenger_that_a_person_promoted_meanwhile_is_nothing_new(tonight: Night):
    tonight.meanwhile = "v0.0.2"
    found = tonight.decide()
    assert (found.outcome, found.reason) == ("nothing new", "classifier v0.0.2 is the champion already")
    assert tonight.champion() == "v0.0.2"


def test_with_nothing_changed_it_ends_after_the_fetch(tonight: Night):
    tonight.changes = []
    found = tonight.decide()
    assert (found.outcome, found.reason) == ("nothing new", "nothing changed since v0.0.1, the champion")
    assert tonight.done == ["fetch"]


def test_what_was_kept_out_once_is_not_trained_or_judged_again(tonight: Night):
    tonight.passes = False
    tonight.decide()
    tonight.done.clear()
    tonight.changes = []
    found = tonight.decide()
    assert found.reason == "nothing changed since v0.0.2, which has been judged before"
    assert tonight.done == ["fetch"]


def test_a_version_that_a_killed_night_left_unjudged_is_judged_by_the_next(tonight: Night):
    tonight.project.train("0.95")
    register(tonight.project.folder)
    tonight.changes = []
    found = tonight.decide()
    assert tonight.done == ["fetch", "gate v0.0.2 against v0.0.1"]
    assert (found.outcome, found.version) == ("promoted", "v0.0.2")


def test_what_a_person_rolled_back_stays_back(tonight: Night):
    tonight.project.train("0.95")
    register(tonight.project.folder)
    promote(tonight.project.folder, "v0.0.2")
    rollback(tonight.project.folder)
    tonight.changes = []
    assert tonight.decide().outcome == "nothing new"
    assert tonight.champion() == "v0.0.1"


def test_rows_that_are_only_fewer_without_drift_are_nothing_new(tonight: Night):
    tonight.drift = FEWER_ROWS
    found = tonight.decide()
    assert (found.outcome, found.reason) == (
        "nothing new",
        "the data changed, but hold no new row, 30 gone, no drift",
    )
    assert tonight.done == ["fetch"]


def test_drift_in_what_is_left_calls_for_training(tonight: Night):
    tonight.drift = DriftReport(0, 30, [], [Check("labels", 0.4, "total variation", 0.004, True)])
    assert tonight.decide().outcome == "promoted"
    assert "train" in tonight.done


def test_a_changed_parameter_is_a_reason_though_the_rows_are_the_same(tonight: Night):
    tonight.changes = ["the data", "train in params.yaml"]
    tonight.drift = FEWER_ROWS
    found = tonight.decide()
    assert found.reason.endswith(
        "trained because of the data, train in params.yaml (no new row, 30 gone, no drift)"
    )


def test_the_same_model_again_is_nothing_new(tonight: Night):
    tonight.score = "0.9"
    found = tonight.decide()
    assert (found.outcome, found.version) == ("nothing new", "")
    assert found.reason.startswith("the same model came out again, trained because of the data")


def test_the_first_model_is_champion(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retrain, "bring_all_up_to_date", lambda tree, **_: register(tree))
    found = retrain._night(project.folder, project.folder)
    assert (found.outcome, found.reason) == (
        "promoted",
        "v0.0.1 is the champion, as there was none to replace",
    )


@pytest.mark.parametrize(
    ("raised", "reason", "details"),
    [
        (
            InputError("topics.csv, line 3:\n  no label."),
            "topics.csv, line 3: no label",
            {"users_error": True},
        ),
        (
            StageFailed("ingest", "topics.csv is broken", users_error=True),
            "ingest: topics.csv is broken",
            {"stage": "ingest", "error": "topics.csv is broken", "users_error": True},
        ),
    ],
)
def test_a_failed_night_gives_its_reason_in_one_line(
    registered: Project,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    reason: str,
    details: dict[str, Any],
):
    def broken(*_: Any) -> Decision:
        raise raised

    monkeypatch.setattr(retrain, "_night", broken)
    monkeypatch.setattr(retrain, "open_work_tree", lambda root: root)
    found = retrain._decision(registered.folder)
    assert (found.outcome, found.reason, found.details) == ("failed", reason, details)


@pytest.mark.parametrize(
    ("outcome", "details", "state", "completed"),
    [
        ("promoted", {}, "Promoted", True),
        ("kept out", {}, "KeptOut", True),
        ("nothing new", {}, "NothingNew", True),
        ("failed", {"users_error": True}, "Refused", False),
        ("failed", {}, "Failed", False),
    ],
)
def test_every_decision_is_in_git_an_artifact_an_event_and_a_state(
    registered: Project,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Any,
    details: Any,
    state: str,
    completed: bool,
):
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(decision, "create_markdown_artifact", lambda **given: shown.append(given))
    monkeypatch.setattr(decision, "emit_event", lambda **given: shown.append(given))
    ended = publish(registered.folder, Decision(outcome, "because of *this*", "v0.0.2", details))
    assert (ended.name, ended.message, ended.is_completed()) == (state, "because of *this*", completed)
    artifact, event = shown
    assert artifact["key"] == "decision"
    assert artifact["description"] == f"{outcome} v0.0.2"
    assert artifact["markdown"].startswith(
        f"**{outcome}**: because of \\*this\\*\n\nVersion: classifier v0.0.2"
    )
    assert event["event"] == f"tritune.retrain.{outcome.replace(' ', '-')}"
    assert event["resource"]["prefect.resource.id"] == "tritune.model.classifier"
    assert event["payload"]["reason"] == "because of *this*"
    (kept,) = read_decisions(registered.folder)
    assert (kept.outcome, kept.reason, kept.version) == (outcome, "because of *this*", "v0.0.2")


def test_a_night_s_name_says_on_which_data(registered: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(registered.folder)
    assert retrain._run_name() == "retrain on rows.csv"
    (registered.folder / "params.yaml").write_text("data: 3\n")
    assert retrain._run_name() == "retrain"


def test_the_second_of_two_says_so_and_ends(
    registered: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(registered.folder)
    with only_retraining(registered.folder):
        assert main(["retrain"]) == 2
    said = capsys.readouterr().err
    assert f"error: a retraining is going on in {registered.folder} (process " in said
    assert "), so this ends without having done anything; wait until that ends, or stop it with `kill" in said


@pytest.mark.parametrize("decided", [True, False])
def test_a_prefect_server_that_is_gone_is_told_with_what_the_night_came_to(
    registered: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    decided: bool,
):
    def ended(**_: Any) -> None:
        if decided:
            decision.record(registered.folder, Decision("promoted", "it is better", "v0.0.2"))
        raise RuntimeError("Failed to reach API at http://127.0.0.1:9/api/")

    monkeypatch.chdir(registered.folder)
    monkeypatch.setattr(home, "prepare_environment", lambda _root: None)
    monkeypatch.setattr(watcher, "watch", lambda *_roots: None)
    monkeypatch.setattr(own_server, "begin_server", lambda: lambda: None)
    monkeypatch.setattr(retrain, "retrain", ended)
    assert main(["retrain"]) == 1
    said = capsys.readouterr()
    reached = "Failed to reach API at http://127.0.0.1:9/api/"
    if decided:
        assert said.out == "promoted: it is better\n"
        assert said.err == f"error: Prefect could not report the night: {reached}\n"
    else:
        assert said.out == ""
        assert said.err == (
            f"error: Prefect could not start, or stopped answering: {reached}\n"
            "the champion stays, and a training goes on where it was: tritune retrain\n"
        )


def test_a_decision_that_prefect_cannot_show_is_on_record_all_the_same(
    registered: Project, monkeypatch: pytest.MonkeyPatch
):
    def gone(**_: Any) -> None:
        raise OSError("no server")

    monkeypatch.setattr(decision, "create_markdown_artifact", gone)
    monkeypatch.setattr(decision, "emit_event", lambda **_: None)
    assert publish(registered.folder, Decision("promoted", "it is better", "v0.0.2")).name == "Promoted"
    assert read_decisions(registered.folder)[0].outcome == "promoted"


def test_a_night_loads_what_tests_differences_when_there_are_some():
    asked = "import sys, flows.retrain; print(sorted({'scipy', 'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_words_for_a_state():
    assert [night._words(name) for name in ("Promoted", "KeptOut", "NothingNew")] == [
        "promoted",
        "kept out",
        "nothing new",
    ]
