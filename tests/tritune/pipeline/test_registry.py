"""Versions with real git, DVC and GTO: registering a model, and what is registered."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import DAG, Project, make_project

from tests.tritune.pipeline.registered_versions import add_version, champion, stages, weights
from tritune.errors import InputError
from tritune.pipeline.registry import register, versions

OTHER_ROWS = "train rows\nother test rows\n"
REGISTER = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tritune.pipeline.registry import register
print(register(Path.cwd()).version)
"""


def test_the_first_version_is_champion(project: Project):
    done = register(project.folder)
    assert (done.name, done.version, done.created, done.stage) == ("classifier", "v0.0.1", True, "champion")
    assert project.tags() == ["classifier#champion#1", "classifier@v0.0.1"]
    assert "git push origin classifier@v0.0.1 classifier#champion#1" in done.message
    assert "dvc push" in done.message


def test_the_same_model_keeps_its_version(registered: Project):
    before = registered.git("for-each-ref")
    done = register(registered.folder)
    assert (done.version, done.created, done.stage) == ("v0.0.1", False, "champion")
    assert done.message == "this model is classifier v0.0.1 (champion) already"
    assert registered.git("for-each-ref") == before


def test_a_later_version_is_challenger_and_says_how_to_promote_it(registered: Project):
    registered.train("0.91")
    done = register(registered.folder)
    assert (done.version, done.created, done.stage) == ("v0.0.2", True, "challenger")
    assert "`tritune promote v0.0.2`" in done.message
    assert stages(registered) == {"v0.0.2": ("challenger",), "v0.0.1": ("champion",)}


def test_a_model_that_comes_back_is_the_version_it_was(registered: Project):
    add_version(registered, "0.91")
    registered.train("0.9")
    done = register(registered.folder)
    assert (done.version, done.created, done.stage) == ("v0.0.1", False, "champion")


def test_the_tag_carries_the_scores_of_the_model_itself(registered: Project):
    message = registered.git("tag", "--list", "--format=%(contents)", "classifier@v0.0.1")
    assert "method: full, seed 13" in message
    assert "validation macro_f1: 0.8500" in message
    assert "test macro_f1: 0.9000" in message


def test_versions_are_described_newest_first(registered: Project):
    add_version(registered, "0.91")
    newest, oldest = versions(registered.folder)
    assert (newest.version, oldest.version) == ("v0.0.2", "v0.0.1")
    assert (oldest.method, oldest.seed, oldest.task, oldest.metric) == (
        "full",
        13,
        "text_classification",
        "macro_f1",
    )
    assert oldest.test["macro_f1"] == 0.9
    assert oldest.validation["macro_f1"] == pytest.approx(0.85)
    assert abs(oldest.date.timestamp() - time.time()) < 600


def test_nothing_registered_is_an_empty_list(project: Project):
    assert versions(project.folder) == []


def test_gto_and_dvc_find_the_same(registered: Project, tmp_path: Path):
    add_version(registered, "0.91")
    shown = json.loads(registered.gto("show", "--json"))["classifier"]
    assert shown["version"] == "v0.0.2"
    assert shown["stage"] == {"champion": "v0.0.1", "challenger": "v0.0.2"}
    history = registered.gto("history", "classifier", "--plain")
    assert history.count("registration") == 2
    assert history.count("assignment") == 2
    for options, expected in ((["--stage", "champion"], "0.9"), (["--rev", "v0.0.2"], "0.91"), ([], "0.91")):
        out = tmp_path / f"got {expected} {len(options)}"
        registered.dvc("artifacts", "get", ".", "classifier", *options, "--out", str(out))
        assert weights(out) == f"weights for {expected}"


def test_a_checked_out_version_is_up_to_date(registered: Project, tmp_path: Path):
    add_version(registered, "0.91", rows=OTHER_ROWS)
    clone = Project(tmp_path / "a clone")
    registered.git("clone", "--quiet", str(registered.folder), str(clone.folder))
    clone.git("checkout", "--quiet", "classifier@v0.0.1")
    clone.dvc("cache", "dir", "--local", str(registered.folder / ".dvc/cache"))
    clone.dvc("checkout", "--quiet")
    assert "up to date" in clone.dvc("repro")
    assert weights(clone.folder / "models/selected") == "weights for 0.9"


def test_without_a_model_nothing_is_registered(project: Project):
    shutil.rmtree(project.folder / "models")
    with pytest.raises(
        InputError, match=r"there is no models/selected to register; make it with `tritune run`"
    ):
        register(project.folder)


def test_stale_results_are_not_registered(project: Project):
    project.set(method="{full: {kind: full, lr: 0.5}}")
    with pytest.raises(InputError, match=r"the results are not those.*select"):
        register(project.folder)
    assert project.tags() == []


def test_a_model_without_a_name_is_refused(project: Project):
    (project.folder / "dvc.yaml").write_text(DAG.partition("artifacts:")[0])
    with pytest.raises(
        InputError, match=r"dvc\.yaml: no entry under `artifacts:` has the path models/selected"
    ):
        register(project.folder)


def test_a_name_that_gto_cannot_take_is_refused(project: Project):
    (project.folder / "dvc.yaml").write_text(DAG.replace("classifier:", "my model:"))
    with pytest.raises(InputError, match=r"dvc\.yaml, artifacts: 'my model' cannot name versions"):
        register(project.folder)


def test_a_folder_without_git_is_refused(project: Project):
    shutil.rmtree(project.folder / ".git")
    with pytest.raises(InputError, match=r"is not a git repository, which the model registry needs"):
        versions(project.folder)


def test_a_name_that_a_deregistered_version_had_is_not_given_again(registered: Project):
    who = {f"GIT_{role}_{part}": "a" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    registered.gto("deprecate", "classifier", "v0.0.1", **who)
    done = register(registered.folder)
    assert (done.version, done.stage) == ("v0.0.2", "champion")
    assert json.loads(registered.gto("show", "--json"))["classifier"]["version"] == "v0.0.2"


def test_signing_and_hooks_do_not_get_in_the_way(project: Project):
    for key in ("commit.gpgSign", "tag.gpgSign"):
        project.git("config", key, "true")
    project.git("config", "gpg.program", "/bin/false")
    hook = project.folder / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert register(project.folder).created


@pytest.mark.usefixtures("quiet_home")
def test_it_works_before_the_first_commit(tmp_path: Path):
    fresh = make_project(tmp_path / "new", commit=False)
    assert register(fresh.folder).version == "v0.0.1"
    assert fresh.git("status", "--porcelain", "--branch").startswith("## No commits yet")


def test_two_registrations_at_once_make_one_version(project: Project):
    root = str(Path(__file__).parents[3])
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(project.call, sys.executable, "-c", REGISTER, root) for _ in range(2)]
        assert [call.result() for call in calls] == ["v0.0.1", "v0.0.1"]
    assert project.tags() == ["classifier#champion#1", "classifier@v0.0.1"]


@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2, 1.5])
def test_a_killed_registration_is_mended_by_the_next(project: Project, seconds: float):
    process = subprocess.Popen(
        [sys.executable, "-c", REGISTER, str(Path(__file__).parents[3])],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = register(project.folder)
    assert (done.version, done.stage) == ("v0.0.1", "champion")
    assert sorted(project.tags()) == ["classifier#champion#1", "classifier@v0.0.1"]
    assert project.git("status", "--porcelain") == ""


def test_a_version_that_lacks_its_stage_gets_it(registered: Project):
    registered.git("tag", "--delete", "classifier#champion#1")
    done = register(registered.folder)
    assert (done.version, done.created, done.stage) == ("v0.0.1", False, "champion")
    assert champion(registered) == "v0.0.1"


@pytest.mark.usefixtures("quiet_home")
def test_a_project_below_the_repositorys_top_is_refused(tmp_path: Path):
    project = make_project(tmp_path / "top" / "below")
    shutil.rmtree(project.folder / ".git")
    Project(tmp_path / "top").git("init", "--quiet")
    with pytest.raises(InputError, match=re.escape("lies inside the git repository")):
        register(project.folder)
