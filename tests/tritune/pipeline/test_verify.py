"""A version made again from its tag: nothing cached answers, the grade is right, nothing is left behind."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import quiet_home, trained
from registry_project import Project

from tritune.errors import InputError
from tritune.pipeline.rebuild import FOLDER, leftover_trees
from tritune.pipeline.registry import register
from tritune.pipeline.verify import Verification, verify

EDITS = {
    "def select():\n": """\
def select():
    import time

    with open(os.environ["RAN"], "a") as file:
        file.write("select\\n")
    time.sleep(float(os.environ.get("SECONDS", "0")))
""",
    "score = float(": "given = float(",
    "    own = {": '    score = given + float(os.environ.get("NOISE", "0"))\n    own = {',
    '"method.full.lr": score': '"method.full.lr": given',
}


class Quiet:
    def started(self, stage: str) -> None: ...
    def line(self, stage: str, text: str) -> None: ...
    def finished(self, stage: str, state: str, message: str) -> None: ...


@pytest.fixture(scope="module")
def template(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0.0.1 was made by a stage that says when it runs, and adds what NOISE says to its score."""
    project = trained.copy(tmp_path_factory.mktemp("verifiable") / "a project")
    code = project.folder / "stages.py"
    text = code.read_text()
    for old, new in EDITS.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    code.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAN", str(project.folder.parent / "ran"))
        project.reproduce()
        register(project.folder)
    return project


@pytest.fixture
def verifiable(template: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return template.copy(tmp_path / "a project")


def check(project: Project, reference: str = "v0.0.1") -> Verification:
    return verify(project.folder, reference, screen=Quiet())


def runs(project: Project) -> int:
    log = project.folder.parent / "ran"
    return len(log.read_text().splitlines()) if log.is_file() else 0


def state(project: Project) -> tuple[str, ...]:
    """All that belongs to the user: branch, index, work tree, tags, work trees."""
    return tuple(
        project.git(*command)
        for command in (
            ("status", "--porcelain", "--ignored"),
            ("for-each-ref",),
            ("rev-parse", "--abbrev-ref", "HEAD"),
            ("worktree", "list"),
            ("ls-files", "--stage"),
        )
    )


def test_the_stages_run_again_although_all_is_cached_and_give_the_same_bytes(verifiable: Project):
    (verifiable.folder / "notes.txt").write_text("mine")
    (verifiable.folder / "params.yaml").write_text("broken: [")
    before = state(verifiable)
    found = check(verifiable, "classifier@v0.0.1")
    assert (found.grade, found.ran, found.error) == ("bit-identical", ("select",), "")
    assert runs(verifiable) == 1
    assert found.differences == ()
    assert state(verifiable) == before
    assert not list((verifiable.folder / FOLDER).iterdir())


def test_a_registered_model_that_the_code_does_not_make_is_found_out(
    verifiable: Project, monkeypatch: pytest.MonkeyPatch
):
    """Cache, run-cache, lock and tag agree on it, and were made under other versions."""
    (verifiable.folder / "versions.yaml").write_text("# what was installed\ntorch: 1.0.0+gone\n")
    (verifiable.folder / "constraints.txt").write_text("numpy==0.1\nno-such-package==1\n")
    monkeypatch.setenv("NOISE", "0.05")
    verifiable.train("0.8")
    register(verifiable.folder)
    monkeypatch.delenv("NOISE")
    found = check(verifiable, "v0.0.2")
    assert found.grade == "different"
    assert found.files == ("weights.txt",)
    pairs = {(pair.split, pair.metric): (pair.first, pair.second) for pair in found.scores}
    assert pairs["test", "macro_f1"] == pytest.approx((0.85, 0.8))
    libraries, *others = found.differences
    assert libraries.startswith("library versions: made with torch 1.0.0+gone (here: 2.")
    assert "numpy 0.1 (here: " in libraries
    assert "no-such-package" not in libraries
    assert others == [
        "the first stage to give something else is select (models/selected, results/comparison.json)",
        "on which machine it was trained is not on record",
    ]


def test_other_bytes_with_scores_less_than_a_hundredth_apart_are_within_tolerance(
    verifiable: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NOISE", "0.009")
    assert check(verifiable).grade == "same within tolerance"


@pytest.mark.slow
def test_a_parameter_that_the_tag_holds_otherwise_is_named(verifiable: Project):
    """Tagged by hand, with a params.yaml that did not make the model."""
    path = verifiable.folder / "params.yaml"
    path.write_text(path.read_text().replace("0.9", "0.7"))
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    verifiable.git("add", "--all")
    verifiable.git(*author, "commit", "--quiet", "--message=Changed")
    verifiable.git(*author, "tag", "--annotate", "classifier@v0.0.2", "--message=By hand")
    found = check(verifiable, "v0.0.2")
    assert found.grade == "different"
    assert "parameters: method.full.lr in params.yaml is not the one that select was made with" in (
        found.differences
    )


def test_what_cannot_be_made_again_says_why_and_leaves_nothing(
    verifiable: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NOISE", "not a number")
    found = check(verifiable)
    assert found.grade == "not rebuilt"
    assert "could not convert string to float: 'not a number'" in found.error
    assert not list((verifiable.folder / FOLDER).iterdir())


def test_inputs_that_are_nowhere_are_an_error_before_any_stage_runs(verifiable: Project):
    for path in (verifiable.folder / ".dvc/cache/files").rglob("*"):
        if path.is_file() and path.read_text() == "train rows":
            path.unlink()
    with pytest.raises(
        InputError,
        match=r"^the files of data/ingested of v0\.0\.1 are not in DVC's cache here, and no remote is set to "
        r"take them from; set the one they were pushed to with `dvc remote add --default NAME URL`$",
    ):
        check(verifiable)
    assert runs(verifiable) == 0
    assert leftover_trees(verifiable.folder) == []


def test_a_commit_without_a_lock_has_nothing_to_compare_with(verifiable: Project):
    verifiable.git("rm", "--cached", "--quiet", "dvc.lock")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    verifiable.git(*author, "commit", "--quiet", "--message=No lock")
    verifiable.git(*author, "tag", "--annotate", "classifier@v0.0.2", "--message=By hand")
    with pytest.raises(
        InputError,
        match=r"^classifier@v0\.0\.2: its commit [0-9a-f]{10} has no models/selected in dvc\.lock, so that "
        r"nothing says what to compare with; verify another version$",
    ):
        check(verifiable, "v0.0.2")


def start(project: Project) -> "subprocess.Popen[str]":
    environment = {**os.environ, "SECONDS": "60", "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "verify", "v0.0.1"],
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: runs(project) == 1)
    return process


def wait_until(condition, *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def processes_below(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        below = (process.info["cwd"] or "").startswith(str(folder))
        if below and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=["ctrl-c", "kill"]
)
def test_interrupted_it_leaves_no_process_and_no_work_tree(verifiable: Project, number: signal.Signals):
    before = state(verifiable)
    process = start(verifiable)
    process.send_signal(number)
    printed = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert printed.endswith("stopped\n")
    assert processes_below(verifiable.folder) == []
    assert state(verifiable) == before
    assert not list((verifiable.folder / FOLDER).iterdir())


@pytest.mark.slow
def test_two_at_a_time_are_refused_and_the_next_clears_up_after_a_kill(verifiable: Project):
    process = start(verifiable)
    with pytest.raises(
        InputError,
        match=rf"^another verification is going on here \(process {process.pid}\); wait until it ends, or "
        rf"stop it with `kill {process.pid}`$",
    ):
        check(verifiable)
    assert leftover_trees(verifiable.folder) == []
    process.kill()
    process.communicate()
    assert leftover_trees(verifiable.folder) == [(verifiable.folder / FOLDER / "v0.0.1").resolve()]
    for left in processes_below(verifiable.folder):  # the toy's stages have no guard that would end them
        psutil.Process(left).kill()
    assert check(verifiable).grade == "bit-identical"
    assert leftover_trees(verifiable.folder) == []
