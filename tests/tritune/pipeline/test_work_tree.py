"""A retraining's own work tree: it has the project as it is, shares the cache, and goes away whole."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, trained
from registry_project import PARAMS, Project

from tritune.errors import InputError
from tritune.pipeline.changes import changes_since
from tritune.pipeline.dag import read_stages
from tritune.pipeline.rebuild import remove_tree
from tritune.pipeline.work_tree import TREE, close_work_tree, open_work_tree


def state(project: Project) -> tuple[str, ...]:
    git = project.git
    return git("rev-parse", "HEAD"), git("ls-files", "--stage"), git("status", "--porcelain", "--ignored")


def commit(project: Project) -> None:
    project.git("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "Add")


def test_it_holds_what_is_not_committed_and_leaves_the_user_s_files_alone(project: Project):
    (project.folder / "params.yaml").write_text(PARAMS % "0.7")
    (project.folder / "notes.txt").write_text("mine")
    before = state(project)
    tree = open_work_tree(project.folder)
    assert (tree / "params.yaml").read_text() == PARAMS % "0.7"
    assert not (tree / "notes.txt").exists()
    (tree / "params.yaml").write_text("broken: [")
    assert (project.folder / "params.yaml").read_text() == PARAMS % "0.7"
    close_work_tree(project.folder)
    assert not tree.exists()
    assert state(project) == before
    assert project.git("worktree", "list").count("\n") == 0


def test_a_source_in_the_project_is_the_one_of_this_moment(project: Project):
    (project.folder / "rows.csv").write_text("other train rows\nother test rows\n")
    (project.folder / "nowhere").mkdir()
    (project.folder / "nowhere/config.json").write_text("{}")
    tree = open_work_tree(project.folder)
    assert (tree / "rows.csv").read_text() == "other train rows\nother test rows\n"
    assert (tree / "nowhere/config.json").read_text() == "{}"
    close_work_tree(project.folder)
    assert (project.folder / "rows.csv").is_file()
    assert (project.folder / "nowhere/config.json").is_file()


@pytest.mark.parametrize(("source", "relative"), [("corpus/train", False), ("corpus/train/rows.csv", True)])
def test_what_lies_behind_a_link_out_of_the_project_stays(project: Project, source: str, relative: bool):
    outside = project.folder.parent / "outside"
    (outside / "train").mkdir(parents=True)
    (outside / "train/rows.csv").write_text("mine")
    (project.folder / "corpus").symlink_to("../outside" if relative else outside)
    project.git("add", "corpus")
    commit(project)
    project.set(data=f"{{source: {source}}}")
    tree = open_work_tree(project.folder)
    assert (tree / "corpus/train/rows.csv").read_text() == "mine"
    close_work_tree(project.folder)
    assert not any(path.is_symlink() for path in outside.rglob("*"))
    assert (outside / "train/rows.csv").read_text() == "mine"


def test_a_model_within_the_data_s_folder_stays(project: Project):
    assets = project.folder / "assets"
    (assets / "model").mkdir(parents=True)
    (assets / "model/config.json").write_text("{}")
    project.set(data="{source: assets}", model="{source: assets/model}")
    tree = open_work_tree(project.folder)
    assert (tree / "assets/model/config.json").read_text() == "{}"
    close_work_tree(project.folder)
    assert not (assets / "model").is_symlink()
    assert (assets / "model/config.json").is_file()


def test_a_source_behind_a_link_to_a_folder_that_git_lacks_is_found(project: Project):
    (project.folder / "store").mkdir()
    (project.folder / "store/rows.csv").write_text("mine")
    (project.folder / "corpus").symlink_to("store")
    project.git("add", "corpus")
    commit(project)
    project.set(data="{source: corpus/rows.csv}")
    tree = open_work_tree(project.folder)
    assert (tree / "corpus/rows.csv").read_text() == "mine"
    close_work_tree(project.folder)
    assert (project.folder / "store/rows.csv").read_text() == "mine"


def test_it_restores_from_the_project_s_cache_what_was_made_there(project: Project):
    tree = open_work_tree(project.folder)
    project.call(sys.executable, "-m", "dvc", "--cd", str(tree), "checkout", "--quiet")
    assert not any(stage.stale for stage in read_stages(tree))
    assert not (tree / ".dvc/cache").exists()
    close_work_tree(project.folder)


def test_what_a_kill_left_is_taken_away(project: Project):
    tree = open_work_tree(project.folder)
    shutil.rmtree(tree / "stages.py", ignore_errors=True)
    (tree / ".git").unlink()
    close_work_tree(project.folder)
    assert not tree.exists()
    close_work_tree(project.folder)
    open_work_tree(project.folder)
    close_work_tree(project.folder)


@pytest.mark.parametrize("remove", [close_work_tree, lambda root: remove_tree(root, root / TREE)])
def test_a_kill_while_git_makes_the_work_tree_does_not_stop_the_next(project: Project, remove):
    open_work_tree(project.folder)
    (project.folder / TREE / ".git").unlink()
    (known,) = (project.folder / ".git/worktrees").iterdir()
    (known / "locked").write_text("initializing")
    remove(project.folder)
    assert not (project.folder / TREE).exists()
    assert project.git("worktree", "list").count("\n") == 0
    open_work_tree(project.folder)


def test_what_only_the_user_may_read_is_for_no_one_else_there(project: Project):
    local = project.folder / ".dvc/config.local"
    local.write_text("['remote \"store\"']\n    url = https://example.org\n    password = secret\n")
    local.chmod(0o600)
    tree = open_work_tree(project.folder)
    copy = tree / ".dvc/config.local"
    assert "password = secret" in copy.read_text()
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("source", ["../rows.csv", "."])
def test_a_source_beside_the_project_needs_its_whole_path(project: Project, source: str):
    project.set(data=f"{{source: {source}}}")
    with pytest.raises(InputError) as refused:
        open_work_tree(project.folder)
    assert str(refused.value) == (
        f"data.source: {source!r} leads out of the project, and a retraining works in a folder of its own; "
        "write the whole path, beginning with /"
    )


def test_changes_are_told_without_any_output_being_there(project: Project):
    earlier = (project.folder / "dvc.lock").read_bytes()
    tree = open_work_tree(project.folder)
    assert not (tree / "models").exists()
    assert changes_since(tree, earlier) == []
    (tree / "params.yaml").write_text(PARAMS % "0.7")
    (tree / "stages.py").write_text((tree / "stages.py").read_text() + "# edited\n")
    project.call(sys.executable, "-m", "dvc", "--cd", str(tree), "repro", "--quiet", "ingest")
    assert changes_since(tree, earlier) == ["stages.py", "method.full.lr in params.yaml"]
    close_work_tree(project.folder)
