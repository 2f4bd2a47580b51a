"""The snapshot commit: what it holds, what it leaves alone, when it refuses."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, trained
from registry_project import Project, make_project

from tritune.errors import InputError
from tritune.pipeline.snapshot import take_snapshot

MODEL = "models/selected"


def snapshot(project: Project) -> str:
    return take_snapshot(project.folder, output=MODEL, message="Snapshot for a test")


def held(project: Project, commit: str, path: str) -> str:
    return project.git("show", f"{commit}:{path}")


def state(project: Project) -> tuple[str, str, str]:
    """Branch and commit, index, and work tree as git sees them."""
    return (
        project.git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD"),
        project.git("ls-files", "--stage"),
        project.git("status", "--porcelain"),
    )


def test_head_is_the_snapshot_when_nothing_differs(project: Project):
    assert snapshot(project) == project.git("rev-parse", "HEAD")


def test_present_files_are_in_the_snapshot_and_user_files_are_not(project: Project):
    project.train("0.8", rows="train rows\nother test rows\n")
    (project.folder / "notes.txt").write_text("mine")
    commit = snapshot(project)
    assert "lr: 0.8" in held(project, commit, "params.yaml")
    assert held(project, commit, "rows.csv") == "train rows\nother test rows"
    assert held(project, commit, "dvc.lock") == (project.folder / "dvc.lock").read_text().rstrip("\n")
    assert json.loads(held(project, commit, "results/comparison.json"))["chosen"]["method"] == "full"
    assert project.git("rev-parse", f"{commit}^") == project.git("rev-parse", "HEAD")
    names = project.git("ls-tree", "-r", "--name-only", commit).splitlines()
    assert "notes.txt" not in names
    assert not [name for name in names if name.startswith(("models/", "data/", ".dvc/cache", ".dvc/tmp"))]


def test_branch_index_and_work_tree_stay(project: Project):
    project.train("0.8")
    (project.folder / "staged.txt").write_text("staged")
    project.git("add", "staged.txt")
    before = state(project)
    assert snapshot(project) != project.git("rev-parse", "HEAD")
    assert state(project) == before


def test_a_deleted_file_is_not_in_the_snapshot(project: Project):
    (project.folder / "tasks").mkdir()
    (project.folder / "tasks/old.py").write_text("")
    project.git("add", "--all")
    project.git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message=Add a task")
    (project.folder / "tasks/old.py").unlink()
    commit = snapshot(project)
    assert "tasks/old.py" not in project.git("ls-tree", "-r", "--name-only", commit).splitlines()


def test_code_is_in_the_snapshot_even_if_git_never_saw_it(project: Project):
    (project.folder / "flows").mkdir()
    (project.folder / "flows/new.py").write_text("new = True")
    assert held(project, snapshot(project), "flows/new.py") == "new = True"


def test_a_dependency_that_git_ignores_is_in_the_snapshot(project: Project):
    project.git("rm", "--quiet", "--cached", "rows.csv")
    with (project.folder / ".gitignore").open("a") as file:
        file.write("*.csv\n")
    project.git("add", ".gitignore")
    project.git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message=Ignore tables")
    assert held(project, snapshot(project), "rows.csv") == "train rows\ntest rows"


@pytest.mark.usefixtures("quiet_home")
def test_it_works_before_the_first_commit(tmp_path: Path):
    project = make_project(tmp_path / "new", commit=False)
    commit = snapshot(project)
    names = set(project.git("ls-tree", "-r", "--name-only", commit).splitlines())
    assert names >= {
        ".dvc/config",
        ".dvcignore",
        ".gitignore",
        "dvc.yaml",
        "dvc.lock",
        "params.yaml",
        "rows.csv",
    }
    assert project.git("rev-list", "--count", commit) == "1"
    assert project.git("status", "--porcelain", "--branch").startswith("## No commits yet")


def test_it_works_on_a_detached_head(project: Project):
    project.git("checkout", "--quiet", "--detach")
    project.train("0.8")
    assert project.git("rev-parse", f"{snapshot(project)}^") == project.git("rev-parse", "HEAD")


def test_it_works_in_a_second_work_tree(project: Project, tmp_path: Path):
    project.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second tree"))
    second = Project(tmp_path / "second tree")
    second.train("0.8")
    commit = snapshot(second)
    assert "lr: 0.8" in held(project, commit, "params.yaml")
    assert "lr: 0.9" in (project.folder / "params.yaml").read_text()


def test_a_missing_identity_is_made_up_and_a_configured_one_used(project: Project):
    project.train("0.8")
    who = "--format=%an <%ae>, %cn <%ce>"
    anonymous = "tritune <tritune@localhost>"
    assert project.git("log", "-1", who, snapshot(project)) == f"{anonymous}, {anonymous}"
    project.git("config", "user.name", "Ada")
    project.git("config", "user.email", "ada@example.org")
    ada = "Ada <ada@example.org>"
    assert project.git("log", "-1", who, snapshot(project)) == f"{ada}, {ada}"


def test_hooks_and_signing_do_not_get_in_the_way(project: Project):
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction"):
        hook = project.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch ran-{name}\nexit 1\n")
        hook.chmod(0o755)
    for key in ("commit.gpgSign", "tag.gpgSign"):
        project.git("config", key, "true")
    project.git("config", "gpg.program", "/bin/false")
    project.train("0.8")
    snapshot(project)
    assert not list(project.folder.glob("ran-*"))


def test_a_stale_stage_is_refused(project: Project):
    project.set(method="{full: {kind: full, lr: 0.5}}")
    with pytest.raises(
        InputError, match=r"the results are not those.*select \(.*method\.full\.lr.*tritune run"
    ):
        snapshot(project)


def test_a_changed_result_is_refused(project: Project):
    (project.folder / MODEL / "weights.txt").write_text("other weights")
    with pytest.raises(InputError, match=r"select \(models/selected changed\)"):
        snapshot(project)


def test_a_changed_metric_is_refused(project: Project):
    (project.folder / "results/comparison.json").write_text("{}")
    with pytest.raises(InputError, match=r"select \(results/comparison\.json changed\)"):
        snapshot(project)


def test_a_lineage_that_never_was_is_refused(project: Project):
    lock = project.folder / "dvc.lock"
    project.set(method="{full: {kind: full, lr: 0.7}}")
    lock.write_text(lock.read_text().replace("method.full.lr: 0.9", "method.full.lr: 0.7"))
    with pytest.raises(
        InputError,
        match=r"models/selected/provenance\.json and dvc\.lock disagree on method\.full\.lr in params\.yaml: "
        r".*`dvc repro -f -s select`",
    ):
        snapshot(project)


def test_a_link_that_leads_out_of_the_project_is_refused(project: Project, tmp_path: Path):
    (tmp_path / "elsewhere.csv").write_bytes((project.folder / "rows.csv").read_bytes())
    (project.folder / "rows.csv").unlink()
    (project.folder / "rows.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(InputError, match=r"rows\.csv is a link to .*elsewhere\.csv, outside the project"):
        snapshot(project)


def test_a_file_too_large_for_git_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tritune.pipeline.snapshot.LARGEST", 100_000)
    project.train("0.9", rows="train rows\ntest rows\n" + "x" * 200_000)
    with pytest.raises(InputError, match=r"rows\.csv has 0 MB, and git.*`dvc add rows\.csv`"):
        snapshot(project)


def test_a_model_that_no_stage_writes_is_refused(project: Project):
    with pytest.raises(InputError, match=r"dvc\.yaml: no stage has models/other among its outs"):
        take_snapshot(project.folder, output="models/other", message="x")


def test_a_forbidden_commit_is_not_returned(project: Project):
    head = project.git("rev-parse", "HEAD")
    commit = take_snapshot(project.folder, output=MODEL, message="Again", unlike={head})
    assert commit != head
    assert project.git("rev-parse", f"{commit}^{{tree}}") == project.git("rev-parse", f"{head}^{{tree}}")


def test_a_clone_of_the_snapshot_is_up_to_date(project: Project, tmp_path: Path):
    project.train("0.8", rows="new train rows\ntest rows\n")
    project.git("tag", "snapshot", snapshot(project))
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "snapshot", project.folder, tmp_path / "clone"],
        capture_output=True,
        check=True,
    )
    clone = Project(tmp_path / "clone")
    clone.dvc("cache", "dir", "--local", str(project.folder / ".dvc/cache"))
    clone.dvc("checkout")
    assert "up to date" in clone.dvc("repro")
    assert (clone.folder / MODEL / "weights.txt").read_text() == "weights for 0.8"


def test_what_a_removed_method_left_in_a_folder_is_not_given_to_git(project: Project):
    dag = project.folder / "dvc.yaml"
    summary = (
        "  summary: {cmd: mkdir -p summary && ls models > summary/list, deps: [models], outs: [summary]}\n"
    )
    dag.write_text(dag.read_text().replace("artifacts:", f"{summary}artifacts:"))
    (project.folder / "models/old").mkdir()
    (project.folder / "models/old/weights.txt").write_text("left over")
    project.reproduce()
    commit = take_snapshot(project.folder, output="summary", message="x")
    names = project.git("ls-tree", "-r", "--name-only", commit).splitlines()
    assert not [name for name in names if name.startswith(("models", "summary/"))]
    assert "summary:" in held(project, commit, "dvc.yaml")


def test_a_stage_that_the_model_does_not_need_may_be_stale(project: Project):
    dag = project.folder / "dvc.yaml"
    extra = "  extra: {cmd: touch extra, deps: [rows.csv], outs: [extra]}\n"
    dag.write_text(dag.read_text().replace("artifacts:", f"{extra}artifacts:"))
    assert "extra:" in held(project, snapshot(project), "dvc.yaml")


def test_called_from_a_hook_it_uses_its_own_repository(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.train("0.8")
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, "/nowhere")
    commit = snapshot(project)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name)
    assert "lr: 0.8" in held(project, commit, "params.yaml")
