"""Each check says what is wrong with a project that was damaged on purpose, and what to do."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import quiet_home, registered, trained, with_champion
from registry_project import Project

from flows.cli import main
from flows.workspace import only_retraining
from tritune.pipeline import checkup as module
from tritune.pipeline.checkup import Check, checkup
from tritune.pipeline.rebuild import FOLDER
from tritune.pipeline.work_tree import SCRATCH, TREE

TORCH = metadata.version("torch")


@pytest.fixture
def healthy(registered: Project, tmp_path: Path) -> Project:
    (registered.folder / "versions.yaml").write_text(f"# written\ntorch: {TORCH}\n")
    (registered.folder / "constraints.txt").write_text(f"torch=={TORCH.partition('+')[0]}\n")
    (tmp_path / "remote").mkdir()
    registered.git("config", "core.abbrev", "10")
    (registered.folder / ".dvc/config.local").write_text(
        f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {tmp_path}/remote\n"
    )
    return registered


def look(project: Project) -> dict[str, Check]:
    return {check.name: check for check in checkup(project.folder)}


def test_a_healthy_project_has_nothing_to_complain_of(healthy: Project):
    found = look(healthy)
    assert {check.verdict for check in found.values()} == {"ok"}, found
    assert found["versions"].text == f"torch {TORCH}"
    assert found["pipeline"].text == "all 2 stages are up to date"
    assert found["remote"].text == "shared can be reached"


def test_another_build_of_torch_than_the_one_on_record_is_a_problem(healthy: Project):
    (healthy.folder / "versions.yaml").write_text("torch: 2.0.0+other\n")
    (healthy.folder / "constraints.txt").write_text("torch==2.0.0\nnot-needed==1\n")
    found = look(healthy)
    assert found["versions"].verdict == "problem"
    assert found["versions"].text.startswith(
        f"versions.yaml names torch 2.0.0+other (installed: {TORCH}); a result would be recorded under"
    )
    assert found["pins"] == Check(
        "pins",
        "warning",
        f"constraints.txt pins torch 2.0.0 (here: {TORCH}); install what it pins with `make setup`",
    )
    (healthy.folder / "versions.yaml").unlink()
    assert look(healthy)["versions"].text == (
        "versions.yaml is missing; write it with `python -m tritune.versions`"
    )


def test_what_git_lacks_and_a_lock_that_a_kill_left_are_told(healthy: Project):
    healthy.set(seeds="[14]")
    assert look(healthy)["git"] == Check(
        "git", "warning", "not committed: params.yaml; keep it with `git add params.yaml` and commit"
    )
    lock = healthy.folder.resolve() / ".git/index.lock"
    lock.touch()
    assert look(healthy)["git"].verdict == "warning"  # a git that is at work right now
    os.utime(lock, (1, 1))
    assert look(healthy)["git"] == Check(
        "git",
        "problem",
        f"{lock} was left by a git that was killed, and git refuses to commit; if no git runs, remove it "
        f"with `rm '{lock}'`",
    )


def test_a_version_that_the_cache_lacks_and_a_remote_out_of_reach_are_told(healthy: Project):
    for path in (healthy.folder / ".dvc/cache/files").rglob("*.dir"):
        path.unlink()
    config = healthy.folder / ".dvc/config.local"
    config.write_text(config.read_text().replace("/remote\n", "/no/such/place\n"))
    found = look(healthy)
    assert found["cache"] == Check(
        "cache",
        "warning",
        "the models of v0.0.1 are not in DVC's cache here; get them with `dvc fetch --all-tags`, or make one "
        "again with `tritune verify`",
    )
    assert found["remote"] == Check(
        "remote",
        "problem",
        "shared cannot be reached; see where it is with `dvc remote list`, and try `dvc push`",
    )
    config.unlink()
    assert look(healthy)["remote"] == Check(
        "remote",
        "warning",
        "none is set, so that data and models are on this machine alone; set one with "
        "`dvc remote add --default NAME URL`, then `dvc push`",
    )


def test_a_disk_too_small_for_the_trainings_that_wait_is_a_problem(
    healthy: Project, monkeypatch: pytest.MonkeyPatch
):
    (healthy.folder / "base").mkdir()
    (healthy.folder / "base/model.safetensors").write_bytes(bytes(1000))
    dag = healthy.folder / "dvc.yaml"
    stage = "  train:\n    cmd: echo\n    deps: [stages.py]\n    outs: [checkpoint]\nartifacts:"
    dag.write_text(dag.read_text().replace("artifacts:", stage))
    need = 1000 * (2 * (1 + 1) + 6)
    usage = shutil.disk_usage(healthy.folder)
    for free, verdict in ((need, "ok"), (need - 1, "problem")):
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert look(healthy)["disk"].verdict == verdict
    assert look(healthy)["disk"].text == (
        "0.0 GB free, and 1 trainings may take 0.0 GB; see what can go with `tritune prune`"
    )


def test_a_work_tree_that_a_kill_left_is_told_and_pruned(healthy: Project, monkeypatch: pytest.MonkeyPatch):
    tree = healthy.folder / FOLDER / "v0.0.1"
    healthy.git("worktree", "add", "--quiet", "--detach", str(tree))
    assert look(healthy)["left behind"] == Check(
        "left behind",
        "warning",
        "work trees of verifications that were killed: v0.0.1; remove them with `tritune prune --yes`",
    )
    monkeypatch.chdir(healthy.folder)
    assert main(["prune", "--yes"]) == 0
    assert look(healthy)["left behind"].verdict == "ok"
    assert not tree.exists()
    assert healthy.git("worktree", "list").count("\n") == 0


def test_a_retraining_s_work_tree_is_left_behind_when_it_was_killed(
    healthy: Project, monkeypatch: pytest.MonkeyPatch
):
    tree = healthy.folder / TREE
    healthy.git("worktree", "add", "--quiet", "--detach", str(tree))
    scratch = healthy.folder / SCRATCH / "train@gone-13"
    scratch.mkdir(parents=True)
    with only_retraining(healthy.folder):
        assert look(healthy)["left behind"].verdict == "ok"
    assert look(healthy)["left behind"] == Check(
        "left behind",
        "warning",
        "the work tree of a retraining that was killed: .dvc/tmp/tritune/retrain/project; remove them with "
        "`tritune prune --yes`",
    )
    monkeypatch.chdir(healthy.folder)
    assert main(["prune", "--yes"]) == 0
    assert look(healthy)["left behind"].verdict == "ok"
    assert not tree.exists()
    assert not scratch.exists()
    assert healthy.git("worktree", "list").count("\n") == 0


def test_one_broken_file_does_not_hide_what_the_other_checks_say(healthy: Project):
    (healthy.folder / "dvc.lock").write_text("<<<<<<< ours\n")
    found = look(healthy)
    assert found["pipeline"].verdict == "problem"
    assert found["pipeline"].text.startswith("dvc.lock, line 1: an unresolved merge conflict; take one side")
    assert found["versions"].verdict == "ok"


def test_outside_of_dvc_every_check_still_answers_and_nothing_is_made(healthy: Project):
    shutil.rmtree(healthy.folder / ".dvc")
    found = look(healthy)
    for name in ("pipeline", "cache", "remote", "disk", "left behind"):
        assert found[name].verdict == "problem"
        assert "is not a DVC repository (it has no .dvc folder)" in found[name].text
    assert not (healthy.folder / ".dvc").exists()


def test_missing_pins_come_back_from_git(healthy: Project):
    (healthy.folder / "constraints.txt").unlink()
    assert look(healthy)["pins"] == Check(
        "pins",
        "problem",
        "constraints.txt is missing; take the committed one with `git checkout constraints.txt`",
    )
