"""Which folder a command works in."""

from pathlib import Path

import pytest

from flows.cli import project_root
from tritune.errors import InputError


def test_the_nearest_folder_with_both_files_is_the_project(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    assert project_root(below) == project_root(tmp_path) == tmp_path


def test_a_folder_with_a_pipeline_of_its_own_is_inside_the_project(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "advise").mkdir()
    (tmp_path / "advise/dvc.yaml").touch()
    assert project_root(tmp_path / "advise") == tmp_path


@pytest.mark.parametrize(("there", "missing"), [("dvc.yaml", "params.yaml"), ("params.yaml", "dvc.yaml")])
def test_a_project_that_lacks_one_of_them_is_told_which(tmp_path: Path, there: str, missing: str) -> None:
    (tmp_path / there).touch()
    with pytest.raises(InputError) as caught:
        project_root(tmp_path)
    assert str(caught.value) == (
        f"{missing}: no such file in {tmp_path}; take the committed one with `git checkout {missing}`, or "
        "change to your clone of the project"
    )


def test_elsewhere_it_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not inside a tritune project: .*; change to your clone"):
        project_root(tmp_path)
