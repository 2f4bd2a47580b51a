"""A small project with results, copied for each test that needs one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from toy_registry import Project, make_project


@pytest.fixture(scope="session")
def uncommitted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Results in a git repository without any commit. Copy it."""
    return make_project(tmp_path_factory.mktemp("template") / "a project")


@pytest.fixture(scope="session")
def committed(uncommitted: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same, with everything that git should hold committed. Copy it."""
    project = uncommitted.copy(tmp_path_factory.mktemp("template") / "a project")
    project.commit()
    return project


@pytest.fixture
def project(committed: Project, tmp_path: Path, git_user: None) -> Project:
    """A committed project of the test's own, in a path with spaces."""
    return committed.copy(tmp_path / "my project")


@pytest.fixture
def git_user(uncommitted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process sees the same git configuration as the project's commands: none."""
    for name in ("HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "PATH"):
        monkeypatch.setenv(name, uncommitted.environment[name])
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
