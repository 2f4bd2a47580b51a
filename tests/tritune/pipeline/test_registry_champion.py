"""Stages with real git, DVC and GTO: promoting, going back, getting a model."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from tests.tritune.pipeline.registered_versions import add_version, champion, stages, weights
from tritune.errors import InputError
from tritune.pipeline.registry import materialise, promote, register, rollback


def test_after_promotions_in_one_second_gto_and_dvc_agree_with_us(registered: Project, tmp_path: Path):
    add_version(registered, "0.91")
    promote(registered.folder, "v0.0.2")
    rollback(registered.folder)
    assert champion(registered) == "v0.0.1"
    assert json.loads(registered.gto("show", "--json"))["classifier"]["stage"]["champion"] == "v0.0.1"
    out = tmp_path / "champion"
    registered.dvc("artifacts", "get", ".", "classifier", "--stage", "champion", "--out", str(out))
    assert weights(out) == "weights for 0.9"


def test_a_promotion_says_who_made_way_how_to_share_it_and_in_its_tag_why(registered: Project):
    add_version(registered, "0.89")
    done = promote(registered.folder, "v0.0.2", because="it is better")
    assert (done.version, done.replaced, done.changed) == ("v0.0.2", "v0.0.1", True)
    assert "git push origin classifier#champion#3" in done.message
    assert stages(registered) == {"v0.0.2": ("champion",), "v0.0.1": ()}
    message = registered.git("tag", "--list", "--format=%(contents:subject)", "classifier#champion#3")
    assert message == "Promoted v0.0.2 to champion: it is better"


def test_a_version_tagged_by_hand_is_listed_and_can_be_promoted(registered: Project):
    registered.train("0.95")
    registered.git(
        "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message=By hand"
    )
    registered.gto(
        "register", "classifier",
        GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@b", GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@b",
    )  # fmt: skip
    assert register(registered.folder).version == "v0.0.2"
    assert promote(registered.folder, "v0.0.2").changed


def test_promoting_the_champion_changes_nothing(registered: Project):
    before = registered.tags()
    done = promote(registered.folder, "0.0.1")
    assert (done.changed, done.message) == (False, "classifier v0.0.1 is the champion already")
    assert registered.tags() == before


def test_other_stages_can_be_given_too(registered: Project):
    add_version(registered, "0.5")
    assert promote(registered.folder, "classifier@v0.0.2", stage="shadow").stage == "shadow"


def test_an_unknown_version_is_refused_with_those_there_are(registered: Project):
    with pytest.raises(
        InputError, match=r"classifier has no version v9\.9\.9; registered are v0\.0\.1 \(champion\)"
    ):
        promote(registered.folder, "v9.9.9")


def test_rollbacks_go_further_and_further_back(registered: Project):
    for score in ("0.91", "0.92"):
        promote(registered.folder, add_version(registered, score))
    before = set(registered.tags())
    assert rollback(registered.folder).version == "v0.0.2"
    assert rollback(registered.folder).version == "v0.0.1"
    with pytest.raises(
        InputError, match=r"v0\.0\.1 is the champion, and before it there was none to go back to"
    ):
        rollback(registered.folder)
    assert before < set(registered.tags())
    promote(registered.folder, "v0.0.3")
    assert rollback(registered.folder).version == "v0.0.1"


def test_a_rollback_after_promoting_an_old_version_undoes_that(registered: Project):
    promote(registered.folder, add_version(registered, "0.91"))
    promote(registered.folder, "v0.0.1")
    assert rollback(registered.folder).version == "v0.0.2"


def test_a_rollback_without_any_champion_is_refused(project: Project):
    with pytest.raises(
        InputError, match=r"no version of classifier has been champion; no version is registered"
    ):
        rollback(project.folder)


def test_the_present_model_is_used_where_it_lies(registered: Project):
    for reference in ("champion", "v0.0.1", "0.0.1", "classifier@v0.0.1", "classifier#champion"):
        assert materialise(registered.folder, reference) == registered.folder / "models/selected"


def test_an_earlier_model_is_fetched_without_touching_the_workspace(registered: Project):
    registered.train("0.91")
    before = registered.git("status", "--porcelain")
    folder = materialise(registered.folder, "champion")
    assert weights(folder) == "weights for 0.9"
    assert folder.is_relative_to(registered.folder / ".dvc/tmp/tritune/registry")
    assert weights(registered.folder / "models/selected") == "weights for 0.91"
    assert registered.git("status", "--porcelain") == before
    written = (folder / "weights.txt").stat().st_mtime_ns
    assert materialise(registered.folder, "v0.0.1") == folder
    assert (folder / "weights.txt").stat().st_mtime_ns == written


def test_a_changed_workspace_is_not_taken_for_the_model(registered: Project):
    shutil.rmtree(registered.folder / "models/selected")
    assert weights(materialise(registered.folder, "champion")) == "weights for 0.9"


def test_a_model_comes_from_a_remote_that_was_set_up_later(registered: Project, tmp_path: Path):
    registered.dvc("remote", "add", "--default", "shelf", str(tmp_path / "shelf"))
    registered.dvc("push", "--quiet")
    registered.train("0.91")
    shutil.rmtree(registered.folder / ".dvc/cache")
    assert weights(materialise(registered.folder, "v0.0.1")) == "weights for 0.9"


def test_a_model_that_was_not_pushed_is_refused(registered: Project, tmp_path: Path):
    registered.train("0.91")
    registered.dvc("remote", "add", "--default", "shelf", str(tmp_path / "shelf"))
    shutil.rmtree(registered.folder / ".dvc/cache")
    with pytest.raises(
        InputError,
        match=r"the remote shelf did not give them \(.*\); where they were made, check out v0\.0\.1",
    ):
        materialise(registered.folder, "champion")


def test_a_model_that_is_nowhere_is_refused(registered: Project):
    registered.train("0.91")
    shutil.rmtree(registered.folder / ".dvc/cache")
    with pytest.raises(
        InputError, match=r"the files of v0\.0\.1 are not in DVC's cache here, and no remote is set"
    ):
        materialise(registered.folder, "champion")
    assert not list((registered.folder / ".dvc/tmp/tritune/registry").glob("v0.0.1-????????"))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("v0.0.7", r"classifier has no version v0\.0\.7; registered are v0\.0\.1 \(champion\)"),
        (
            "production",
            r"no registered version has the stage 'production'; registered are v0\.0\.1 \(champion\)",
        ),
        ("other@v0.0.1", r"other is not in this registry; it holds classifier, so write classifier@v0\.0\.1"),
    ],
)
def test_an_unknown_reference_is_refused(registered: Project, reference: str, sentence: str):
    with pytest.raises(InputError, match=sentence):
        materialise(registered.folder, reference)


def test_before_any_version_the_next_move_is_named(project: Project):
    with pytest.raises(InputError, match=r"no version is registered yet; `tritune run` registers the model"):
        materialise(project.folder, "champion")
