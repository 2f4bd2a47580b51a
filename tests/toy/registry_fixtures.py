"""Fixtures around the project with a model to register; made once a test module and copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_project import Project, make_project, quiet_environment


@pytest.fixture(scope="module")
def quiet_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of this machine's configuration, and git without an identity."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def trained(quiet_home: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Ran and committed; nothing registered. Tests copy it."""
    del quiet_home
    return make_project(tmp_path_factory.mktemp("trained") / "a project")


@pytest.fixture(scope="module")
def with_champion(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0.0.1 with the test score 0.9 is champion. Tests copy it."""
    from tritune.pipeline.registry import register

    project = trained.copy(tmp_path_factory.mktemp("registered") / "a project")
    register(project.folder)
    return project


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    return trained.copy(tmp_path / "a project")


@pytest.fixture
def registered(with_champion: Project, tmp_path: Path) -> Project:
    return with_champion.copy(tmp_path / "a project")
