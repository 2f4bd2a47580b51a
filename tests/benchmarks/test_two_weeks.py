"""What a play of nights insists on, and how its page is written; tests/acceptance plays one."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks import play as play_module
from benchmarks.fresh_clone import Clone
from benchmarks.labelled_rows import frequent_classes, rows_of_folder
from benchmarks.play import Act, Broken, Night, Play, play
from benchmarks.two_weeks import as_json, cast, own_lines, page, stages
from tritune.errors import InputError
from tritune.pipeline.decisions import Decision


@dataclass
class Stage:
    """A clone in which commands do what a test says."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    left: dict[int, list[str]] = field(default_factory=dict)
    trees: list[str] = field(default_factory=list)
    does: Callable[[], object] = bool
    code: int = 0

    def tritune(self, *_: str, timeout: float) -> subprocess.CompletedProcess:
        assert timeout > 0
        self.does()
        return subprocess.CompletedProcess([], self.code, "said\n", "")

    def users_files(self) -> dict[str, str]:
        return dict(self.files)

    def processes(self) -> dict[int, list[str]]:
        return self.left

    def half_done(self) -> list[str]:
        return self.trees


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, {"params.yaml": "1"})


@pytest.fixture
def project(stage: Stage) -> Play:
    rows = [(f"text {number}", "ab"[number % 2]) for number in range(20)]
    clone: Any = stage
    return Play(clone, train=rows[:4], test=rows[4:6], reserve=rows[6:])


def test_a_command_that_leaves_all_as_it_was_is_entered(project: Play):
    assert project.command("registry") == "said\n"
    (act,) = project.night.acts
    assert (act.command, act.code, act.said) == ("tritune registry", 0, "said\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stage: setattr(stage, "code", 1), "exit code 1 and not 0"),
        (lambda stage: stage.files.update({"params.yaml": "2"}), "it changed params.yaml"),
        (lambda stage: stage.files.update({"stray.txt": "3"}), "it changed stray.txt"),
        (lambda stage: stage.left.update({7: ["sleep"]}), "it left processes"),
        (lambda stage: stage.trees.append("retrain/project"), "it left .*retrain/project"),
    ],
)
def test_what_a_command_must_not_do_ends_the_play(
    project: Play, stage: Stage, monkeypatch: pytest.MonkeyPatch, change, message
):
    monkeypatch.setattr(play_module, "SECONDS_TO_END", 0.0)
    stage.does = lambda: change(stage)
    with pytest.raises(Broken, match=message):
        project.command("registry")


def test_the_night_that_breaks_is_named(project: Play, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Play, "champion", "v0.0.1")

    def calm(_: Play) -> None:
        """A calm night. Nothing."""

    def wild(_: Play) -> None:
        """A wild night. Much."""
        raise Broken("the roof is gone")

    told: list[str] = []
    with pytest.raises(Broken, match="night 2, A wild night: the roof is gone"):
        play([calm, wild], project, tell=told.append)
    assert told == ["night 1, A calm night: no decision, the champion is v0.0.1 (0 s)"]


def test_rows_come_in_once_and_lie_in_the_user_s_files(project: Play, stage: Stage):
    taken = project.take(3, labels=["a"])
    assert {label for _, label in taken} == {"a"}
    assert not set(taken) & set(project.reserve)
    project.put([*project.train, *taken])
    lines = (stage.folder / "tickets/train.csv").read_text().splitlines()
    assert lines[0] == "text,label"
    assert len(lines) == 1 + 4 + 3
    with pytest.raises(Broken, match="the data have 4 rows left where 9 are to come in"):
        project.take(9, labels=["a"])


def test_what_is_the_user_s_is_files_index_and_commit_but_nothing_ignored(tmp_path: Path):
    clone = Clone(tmp_path / "project", tmp_path)
    clone.folder.mkdir()
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    (clone.folder / ".gitignore").write_text("/cache/\n")
    for command in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "start")):
        clone.run("git", *command).check_returncode()
    states = [clone.users_files()]

    def after(change: Callable[[], object]) -> bool:
        change()
        states.append(clone.users_files())
        return states[-1] != states[-2]

    (clone.folder / "cache").mkdir()
    assert not after(lambda: (clone.folder / "cache/object").write_text("x"))
    assert after(lambda: (clone.folder / "new.csv").write_text("x"))
    assert after(lambda: clone.run("git", "add", "new.csv"))
    assert after(lambda: clone.run("git", *author, "commit", "-qm", "more"))
    assert after(lambda: clone.run("git", "checkout", "-qb", "other"))
    assert clone.half_done() == []
    clone.run("git", "worktree", "add", "-q", "--detach", "../stray")
    (clone.folder / "cache/.out.csv.1.unfinished").write_text("x")
    assert [Path(name).name for name in clone.half_done()] == ["stray", ".out.csv.1.unfinished"]


def test_a_text_is_in_one_file_only_and_rare_classes_are_left_out(tmp_path: Path):
    (tmp_path / "train.csv").write_text("message,team\nhello,a\nHello ,a\nbye,b\nwhere,c\nwhen,c\n")
    (tmp_path / "test.csv").write_text("message,team\nbye,b\nwho,a\n")
    train, test = rows_of_folder(tmp_path, text="message", label="team")
    assert (train, test) == ([("hello", "a"), ("where", "c"), ("when", "c")], [("bye", "b"), ("who", "a")])
    assert frequent_classes(train, at_least=2) == ["c"]
    (tmp_path / "test.csv").unlink()
    with pytest.raises(InputError) as refused:
        rows_of_folder(tmp_path, text="message", label="team")
    assert str(refused.value) == (
        f"--data: {tmp_path} has no test file; name a folder with a train and a test file"
    )


def test_one_more_class_than_the_project_knows_is_kept_for_later(stage: Stage):
    rows = [
        (f"{label} {n}", label) for i, label in enumerate("abcdefghijklmnopqrstuvw") for n in range(140 - i)
    ]
    clone: Any = stage
    project = cast(clone, rows, rows[::10])
    assert {label for _, label in project.newcomers} == {"u"}
    known = {label for _, label in [*project.train, *project.reserve, *project.test]}
    assert known == set("abcdefghijklmnopqrst")
    assert len(project.train) == 300


def test_too_few_classes_are_refused(stage: Stage):
    clone: Any = stage
    with pytest.raises(InputError) as refused:
        cast(clone, [(f"{label} {n}", label) for label in "abcde" for n in range(100)], [])
    assert str(refused.value) == (
        "--data: 5 classes have 100 training rows or more, and 6 are needed; name a folder with more"
    )


def test_of_what_a_command_said_stages_are_counted_and_dates_left_out():
    act = Act(
        "tritune retrain",
        0,
        1.0,
        "fetch  Completed  ran (1.0 s)\ntrain@partial-13 | epoch 1/3\ntrain@partial-13  Restored  \n"
        "2026-01-02 03:04  promoted: v0.0.1 in /tmp/x/my project\n\n",
    )
    assert stages(act) == {"Completed": 1, "Restored": 1}
    assert own_lines(act, folder="/tmp/x") == ["(date)  promoted: v0.0.1 in .../my project"]


def test_a_night_is_told_without_where_it_was_played():
    night = Night("A broken file", "The export stopped.")
    night.decision = Decision("failed", "/tmp/x/my project/a.csv: broken", details={"error": "in /tmp/x/b"})
    told = as_json(night, folder="/tmp/x")
    assert (told["reason"], told["details"]) == (".../my project/a.csv: broken", {"error": "in .../b"})


def test_the_page_tells_each_night_with_its_decision_and_numbers():
    gate = {
        "rows": 800,
        "score": "accuracy",
        "champion": 0.9,
        "challenger": 0.95,
        "margin": 0.02,
        "p_worse_beyond_margin": 0.001,
        "calibration_error": {"champion": 0.02, "challenger": 0.03},
        "classes": {"a": {"p": 0.7}, "b": {"p": 1.0}},
    }
    quiet = Night("A quiet night", "Nobody has touched anything.", champion="v0.0.1", training_rows=300)
    quiet.acts.append(Act("tritune retrain", 0, 12.4, "nothing new: nothing changed\n"))
    quiet.decision = Decision("nothing new", "nothing changed")
    many = Night("Many new rows", "As many again.", champion="v0.0.2", training_rows=600)
    many.acts.append(Act("tritune retrain", 0, 60.0, "fetch  Completed  ran\npromoted: it is better\n"))
    many.decision = Decision("promoted", "it is better", "v0.0.2", {"gate": gate})
    nights = [as_json(night, folder="/tmp/x") for night in (quiet, many)]
    margins = {"margin": 0.02, "wide_margin": 0.25}
    written = page({"data": "tickets", "seconds": 600.0, "classes": 20, **margins, "nights": nights})
    assert "on tickets, 20 classes and one more to come, in 10 minutes" in written
    assert "A night with nothing new took 12 to 12 seconds." in written
    assert "| 1 | A quiet night | 300 | nothing new | v0.0.1 | 12 |" in written
    assert "| 2 | Many new rows | 600 | promoted | v0.0.2 | 60 |" in written
    assert "$ tritune retrain\npromoted: it is better\n```" in written
    assert "Exit code 0 after 60 s; stages: 1 Completed." in written
    assert (
        "The gate, on 800 test rows of the champion: accuracy 0.9500 against 0.9000; p of being worse by "
        "0.02 or more 0.0010; calibration error 0.030 against 0.020; smallest adjusted p of a class being "
        "worse 0.700."
    ) in written
