"""What nothing needs goes, and nothing else: a registered version is as it was afterwards."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import quiet_home, trained
from registry_project import DAG, Project

from flows.cli import main
from flows.workspace import only_retraining
from tritune.errors import InputError
from tritune.pipeline.leftovers import Leftovers, find_leftovers, remove_leftovers
from tritune.pipeline.registry import materialise, register
from tritune.pipeline.snapshot import locked_stages

RUNS = """\
  train:
    matrix: {method: "${methods}", seed: "${seeds}"}
    cmd: >-
      mkdir -p checkpoints/${item.method}-${item.seed} metrics &&
      echo ${item.method} > checkpoints/${item.method}-${item.seed}/weights &&
      echo {} > metrics/${item.method}-${item.seed}.json
    deps: [stages.py]
    outs: ["checkpoints/${item.method}-${item.seed}"]
    metrics: ["metrics/${item.method}-${item.seed}.json": {cache: false}]
"""

LOST = (
    r"^workspace: DVC's cache lacks the listing of a folder that it names, so that nobody can tell "
    r"which files belong to it; get it back with `dvc fetch --all-branches --all-tags`, or delete "
    r"the branch or tag$"
)


@pytest.fixture(scope="module")
def template(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """v0.0.1 was registered; one with 0.91 was made and never registered; `half` was listed and is not."""
    project = trained.copy(tmp_path_factory.mktemp("untidy") / "a project")
    (project.folder / "dvc.yaml").write_text(DAG.replace("artifacts:", f"{RUNS}artifacts:"))
    with (project.folder / ".gitignore").open("a") as file:
        file.write("/checkpoints/\n")
    project.set(methods="[full]")
    project.reproduce()
    register(project.folder)
    params = (project.folder / "params.yaml").read_text()
    project.train("0.91")
    (project.folder / "params.yaml").write_text(params)
    project.set(methods="[full, half]")
    project.reproduce()
    project.set(methods="[full]")
    return project


@pytest.fixture
def untidy(template: Project, tmp_path: Path) -> Project:
    return template.copy(tmp_path / "a project")


def found(project: Project) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for one in find_leftovers(project.folder).found:
        listed.setdefault(one.kind, []).append(one.what)
    return listed


def cached(project: Project) -> set[str]:
    cache = project.folder / ".dvc/cache/files"
    return {path.read_text() for path in cache.rglob("*") if path.is_file() and path.suffix != ".dir"}


def files(project: Project) -> dict[str, bytes]:
    paths = (path for path in project.folder.rglob("*") if path.is_file() and "tmp" not in path.parts)
    return {str(path): path.read_bytes() for path in paths}


def test_a_method_no_longer_listed_leaves_results_entries_and_objects(untidy: Project):
    listed = found(untidy)
    assert listed["result"] == ["checkpoints/half-13", "metrics/half-13.json"]
    assert listed["lock entry"] == ["train@half-13"]
    # Of the other model its listing, two files and comparison; of `half` listing and weights; and two metrics
    # that git has, which DVC keeps for its run-cache as well.
    assert listed["cache"] == ["8 objects that no branch, tag or the work tree names"]
    assert set(listed) == {"result", "lock entry", "cache"}


def test_saying_it_removes_nothing(untidy: Project, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(untidy.folder)
    before = files(untidy)
    assert main(["prune"]) == 0
    said = capsys.readouterr().out
    assert "results that no stage names\n  checkpoints/half-13  5 bytes\n" in said
    assert "can go; nothing is removed yet: tritune prune --yes" in said
    assert files(untidy) == before


def test_a_registered_version_is_as_it_was_and_the_rest_is_gone(
    untidy: Project, monkeypatch: pytest.MonkeyPatch, capsys
):
    untidy.train("0.92")
    untidy.set(methods="[full]")
    assert {"weights for 0.9", "weights for 0.91", "weights for 0.92"} <= cached(untidy)
    monkeypatch.chdir(untidy.folder)
    assert main(["prune", "--yes"]) == 0
    assert "\nremoved: " in capsys.readouterr().out
    assert not (untidy.folder / "checkpoints/half-13").exists()
    assert (untidy.folder / "checkpoints/full-13").is_dir()
    assert "train@half-13" not in locked_stages((untidy.folder / "dvc.lock").read_bytes())
    # The registered one, and the one in the work tree; their checkpoints are the same.
    assert {one for one in cached(untidy) if one.startswith("weights")} == {
        "weights for 0.9",
        "weights for 0.92",
    }
    assert (materialise(untidy.folder, "v0.0.1") / "weights.txt").read_text() == "weights for 0.9"
    assert find_leftovers(untidy.folder) == Leftovers(())
    untidy.git("checkout", "--quiet", "--force", "classifier@v0.0.1")
    for folder in ("data", "models", "checkpoints"):
        shutil.rmtree(untidy.folder / folder)
    untidy.dvc("checkout", "--quiet")
    assert untidy.dvc("status", "--json") == "{}"
    assert (untidy.folder / "models/selected/weights.txt").read_text() == "weights for 0.9"


def test_scratch_and_memos_stay_as_long_as_a_stage_waits_for_them(untidy: Project):
    remove_leftovers(untidy.folder, find_leftovers(untidy.folder))
    work = untidy.folder / ".dvc/tmp/tritune"
    for path in ("scratch/train@full-13/key", "scratch/train@gone-13/key", "memos"):
        (work / path).mkdir(parents=True)
    (work / "memos/a.npy").write_text("memo")
    (work / "memos/b.npy.unfinished").write_text("half a memo")
    (work / "memos/memos.lock").touch()
    (untidy.folder / "measurements").mkdir()
    for stage in ("train@full-13", "train@gone-13"):
        (untidy.folder / f"measurements/{stage}.json").write_text("{}")
    scratch, memos = ".dvc/tmp/tritune/scratch/", ".dvc/tmp/tritune/memos/"
    assert found(untidy) == {
        "measurement": ["measurements/train@gone-13.json"],
        "scratch": [f"{scratch}train@full-13", f"{scratch}train@gone-13"],
        "memo": [f"{memos}a.npy", f"{memos}b.npy.unfinished"],
    }
    shutil.rmtree(untidy.folder / "checkpoints/full-13")  # the stage has work to do
    assert found(untidy) == {
        "measurement": ["measurements/train@gone-13.json"],
        "scratch": [f"{scratch}train@gone-13"],
        "memo": [f"{memos}b.npy.unfinished"],
    }


def test_the_user_s_own_files_among_the_results_stay(untidy: Project):
    (untidy.folder / "metrics/notes.txt").write_text("mine")
    (untidy.folder / "metrics/drafts").mkdir()
    (untidy.folder / "checkpoints/.keep").touch()
    assert found(untidy)["result"] == ["checkpoints/half-13", "metrics/half-13.json"]


def test_what_a_stage_reads_stays_though_no_stage_writes_it_any_more(untidy: Project):
    pipeline = (untidy.folder / "dvc.yaml").read_text()
    first, rest = pipeline.index("  ingest:"), pipeline.index("  select:")
    (untidy.folder / "dvc.yaml").write_text(pipeline[:first] + pipeline[rest:])
    listed = found(untidy)
    assert listed["result"] == ["checkpoints/half-13", "metrics/half-13.json"]
    assert listed["lock entry"] == ["ingest", "train@half-13"]


def test_a_result_that_somebody_changed_or_committed_stays(untidy: Project):
    (untidy.folder / "checkpoints/half-13/weights").unlink()  # a link into the cache
    (untidy.folder / "checkpoints/half-13/weights").write_text("mine")
    untidy.git("add", "metrics/half-13.json")
    assert found(untidy).keys() == {"cache"}
    remove_leftovers(untidy.folder, find_leftovers(untidy.folder))
    assert found(untidy) == {}
    assert (untidy.folder / "checkpoints/half-13/weights").read_text() == "mine"


def test_what_is_under_dvc_by_itself_stays(untidy: Project):
    (untidy.folder / "metrics/own.json").write_text("{}")
    untidy.dvc("add", "--quiet", "metrics/own.json")
    assert found(untidy)["result"] == ["checkpoints/half-13", "metrics/half-13.json"]


def test_a_retraining_that_is_going_on_keeps_what_it_works_with(
    untidy: Project, monkeypatch: pytest.MonkeyPatch, capsys
):
    before = files(untidy)
    monkeypatch.chdir(untidy.folder)
    with only_retraining(untidy.folder):
        assert main(["prune", "--yes"]) == 2
    assert f"error: a retraining is going on in {untidy.folder} (process " in capsys.readouterr().err
    assert files(untidy) == before


def test_a_cache_that_other_projects_may_share_stays(untidy: Project, tmp_path: Path):
    shared = tmp_path / "shared"
    shutil.copytree(untidy.folder / ".dvc/cache", shared)
    (untidy.folder / ".dvc/config.local").write_text(f'[cache]\n    dir = "{shared}"\n')
    leftovers = find_leftovers(untidy.folder)
    assert "cache" not in {one.kind for one in leftovers.found}
    assert leftovers.note == (
        f"DVC's cache {shared}/files/md5 lies outside this project, and other projects may keep theirs "
        "there; clear it with `dvc gc --all-branches --all-tags --projects PATH...`, which names all of them"
    )
    before = sorted(shared.rglob("*"))
    remove_leftovers(untidy.folder, leftovers)
    assert sorted(shared.rglob("*")) == before


def test_what_a_stash_a_detached_commit_or_an_experiment_names_stays(untidy: Project):
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    untidy.train("0.93")
    untidy.git(*who, "stash", "--quiet")
    untidy.train("0.94")
    untidy.git(*who, "stash", "--quiet")
    untidy.train("0.95")
    untidy.git("checkout", "--quiet", "--detach")
    untidy.git(*who, "commit", "--quiet", "--all", "--message=Try")
    untidy.train("0.96")
    experiment = untidy.git(*who, "commit-tree", f"{untidy.git(*who, 'stash', 'create')}^{{tree}}", "-mTry")
    untidy.git("update-ref", f"refs/exps/00/{'0' * 38}/mine", experiment)
    untidy.train("0.97")
    remove_leftovers(untidy.folder, find_leftovers(untidy.folder))
    # 0.9 is the registered version; the 0.91 of long ago is nobody's.
    kept = {f"weights for {score}" for score in ("0.9", "0.93", "0.94", "0.95", "0.96", "0.97")}
    assert {one for one in cached(untidy) if one.startswith("weights")} == kept


def test_while_there_is_another_work_tree_the_cache_stays(untidy: Project, tmp_path: Path):
    other = tmp_path / "other"
    untidy.git("worktree", "add", "--quiet", "--detach", str(other))
    leftovers = find_leftovers(untidy.folder)
    assert "cache" not in {one.kind for one in leftovers.found}
    assert leftovers.note == (
        f"DVC's cache stays: {other} is a work tree of the same repository, and may need what no commit "
        "names yet; clear the cache when it is gone (`git worktree remove PATH`)"
    )


def test_a_tag_whose_folder_listing_is_lost_stops_everything(untidy: Project):
    """Without it nobody knows which of the cache's files the version needs."""
    for path in (untidy.folder / ".dvc/cache/files").rglob("*.dir"):
        path.unlink()
    before = files(untidy)
    with pytest.raises(InputError, match=LOST):
        find_leftovers(untidy.folder)
    assert files(untidy) == before
