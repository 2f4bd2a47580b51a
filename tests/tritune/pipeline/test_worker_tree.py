"""A worker's own folder has the run's parameters and inputs, and refuses anything that is not the same."""

import re
from pathlib import Path

import pytest
from toy_project import Toy, make_toy, toy_environment

from tritune.errors import InputError
from tritune.pipeline.identity import identity_of
from tritune.pipeline.opening import open_repository
from tritune.pipeline.remote_results import remote_name
from tritune.pipeline.worker_tree import TREE, check_same_inputs, files_to_send, open_worker_tree


def commit(toy: Toy) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    assert toy.call("git", *author, "commit", "-q", "--allow-empty", "-m", "one more")[0] == 0


@pytest.fixture
def committed(toy: Toy) -> Toy:
    toy.call("git", "add", "-A")
    commit(toy)
    return toy


def test_it_has_what_the_run_sent_and_the_clone_stays_as_it_is(committed: Toy, monkeypatch):
    before = (committed.folder / "params.yaml").read_text()
    sent = {
        **files_to_send(committed.folder),
        "params.yaml": before.replace("max_length: 7", "max_length: 8"),
    }
    tree = open_worker_tree(committed.folder, files=sent, entries={"upstream": {"cmd": "true"}})
    assert "max_length: 8" in (tree / "params.yaml").read_text()
    assert "upstream" in (tree / "dvc.lock").read_text()
    (committed.folder / ".dvc/tmp/tritune/scratch/here").mkdir(parents=True)
    assert (tree / ".dvc/tmp/tritune/scratch/here").is_dir()  # a killed training goes on where it was
    assert (committed.folder / "params.yaml").read_text() == before
    assert committed.call("git", "status", "--porcelain") == (0, "")
    # The same again, after the clone moved on.
    commit(committed)
    assert open_worker_tree(committed.folder, files=sent, entries={}) == tree
    monkeypatch.chdir(tree)
    recorded = identity_of("prepare", root=tree).recorded
    assert check_same_inputs("prepare", recorded, tree=tree, clone=committed.folder).recorded == recorded

    (tree / "tasks/prepare.py").write_text("# other code\n")
    with pytest.raises(
        InputError,
        match=r"^prepare would not be the same here: tasks/prepare\.py differ between the run and the "
        rf"worker's clone {re.escape(str(committed.folder))}; bring both to the same commit, then start the "
        r"run again$",
    ):
        check_same_inputs("prepare", recorded, tree=tree, clone=committed.folder)


def test_one_that_was_cut_short_while_it_was_made_is_made_anew(committed: Toy):
    head = committed.call("git", "rev-parse", "HEAD")[1].strip()
    half = committed.folder / TREE
    assert committed.call("git", "worktree", "add", "-q", "--detach", str(half), head)[0] == 0
    (half / "tasks/prepare.py").unlink()
    assert open_worker_tree(committed.folder, files={}, entries={}) == half
    assert (half / "tasks/prepare.py").is_file()
    assert (half / ".dvc/tmp/tritune/scratch").is_symlink()


def test_its_remote_is_the_clone_s_as_that_is_now(committed: Toy):
    """A path from the clone on leads to the same folder, and a password that changed is the new one."""

    def remotes() -> dict[str, dict[str, str]]:
        tree = open_worker_tree(committed.folder, files={}, entries={})
        with open_repository(tree) as repo:
            assert remote_name(tree) == "shelf"
            return {name: dict(options) for name, options in repo.config["remote"].items()}

    config, local = committed.folder / ".dvc/config", committed.folder / ".dvc/config.local"
    config.write_text("[core]\n    remote = shelf\n['remote \"shelf\"']\n    url = ../../shelf\n")
    web = "['remote \"web\"']\n    url = webdav://example.org/a\n    password = {}\n"
    local.write_text(web.format("old"))
    found = remotes()
    assert found["shelf"]["url"] == str(committed.folder.parent / "shelf")
    assert found["web"]["password"] == "old"
    local.write_text(web.format("new"))
    assert remotes()["web"]["password"] == "new"
    local.unlink()
    assert list(remotes()) == ["shelf"]


def test_a_folder_without_a_commit_is_refused(tmp_path: Path):
    toy = make_toy(tmp_path / "toy", toy_environment(tmp_path))
    with pytest.raises(
        InputError, match=rf"^{toy.folder} has no commit yet; a worker needs a clone of the project$"
    ):
        open_worker_tree(toy.folder, files={}, entries={})
