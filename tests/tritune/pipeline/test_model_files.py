"""What DVC's stores give is the model that was registered, or it is refused."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from tritune.errors import InputError
from tritune.pipeline.registry import materialise

FETCH = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tritune.pipeline.registry import materialise
print((materialise(Path.cwd(), "champion") / "weights.txt").read_text())
"""


def cached(project: Project, content: str, *, ending: str = "") -> Path:
    """Return the file of DVC's cache that holds this content, made writable."""
    for path in (project.folder / ".dvc/cache/files").rglob(f"*{ending}"):
        if path.is_file() and content in path.read_text(errors="replace"):
            path.chmod(0o644)
            return path
    raise AssertionError(f"nothing in the cache holds {content}")


@pytest.mark.parametrize(
    ("holds", "ending", "damage"),
    [
        ("weights for 0.9", "", "weights for 0.1"),
        ("weights.txt", ".dir", "not JSON"),
        ("weights.txt", ".dir", "{}"),
        ("weights.txt", ".dir", "[]"),
    ],
)
def test_a_damaged_cache_is_not_taken_for_the_model(
    registered: Project, holds: str, ending: str, damage: str
):
    damaged = cached(registered, holds, ending=ending)
    registered.train("0.91")
    damaged.chmod(0o644)
    damaged.write_text(damage)
    with pytest.raises(InputError, match=r"^the files of v0\.0\.1 that DVC gave are not those that were"):
        materialise(registered.folder, "champion")
    assert not list((registered.folder / ".dvc/tmp/tritune/registry").glob("*v0.0.1-????????"))


def test_a_damaged_cache_is_mended_by_what_the_message_says(registered: Project):
    damaged = cached(registered, "weights for 0.9")
    registered.train("0.91")
    damaged.write_text("weights for 0.1")
    with pytest.raises(InputError) as refused:
        materialise(registered.folder, "champion")
    cache = registered.folder / ".dvc/cache"
    advice = re.fullmatch(
        r"the files of v0\.0\.1 that DVC gave are not those that were registered \(its cache or remote is "
        r"damaged\); remove what `tritune doctor --full` names, then make it again into the same cache: "
        rf"`(git worktree add \.\./remake [0-9a-f]{{10}})`, and there `(dvc cache dir --local '{cache}')` "
        r"and `(dvc repro)`",
        str(refused.value),
    )
    assert advice, refused.value
    damaged.unlink()
    registered.call("sh", "-c", advice[1])
    for command in advice.groups()[1:]:
        Project(registered.folder.parent / "remake").call("sh", "-c", command)
    assert (materialise(registered.folder, "champion") / "weights.txt").read_text() == "weights for 0.9"


def test_what_a_kill_left_is_made_anew(registered: Project):
    registered.train("0.91")
    target = materialise(registered.folder, "champion")
    partial = target.with_name(f".{target.name}.partial")
    target.rename(partial)
    (partial / "weights.txt").write_text("half")
    assert (materialise(registered.folder, "champion") / "weights.txt").read_text() == "weights for 0.9"
    assert not partial.exists()


def test_two_that_fetch_at_once_get_the_same_model(registered: Project):
    registered.train("0.91")
    root = str(Path(__file__).parents[3])
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(registered.call, sys.executable, "-c", FETCH, root) for _ in range(2)]
        assert [call.result() for call in calls] == ["weights for 0.9"] * 2


def test_a_changed_copy_does_not_change_the_cache(registered: Project):
    registered.train("0.91")
    (materialise(registered.folder, "champion") / "weights.txt").write_text("changed")
    assert cached(registered, "weights for 0.9")
