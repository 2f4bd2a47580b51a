"""The toy project without Prefect: DVC and the guard alone."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from toy_project import Toy, make_toy, toy_environment


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A toy project of the test's own in which nothing ran yet."""
    (tmp_path / "home").mkdir()
    return make_toy(tmp_path / "toy project", toy_environment(tmp_path / "home"))
