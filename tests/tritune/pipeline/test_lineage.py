"""A version's way back to its data, as the toy project made it, and as a real dvc.lock says."""

# Fixtures are imported by name, and tests ask for them by name.
# ruff: noqa: F401, F811

import hashlib
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "toy"))

from registry_fixtures import project, quiet_home, registered, trained, with_champion
from registry_project import Project

from flows.cli import main
from flows.predicted import answering_version, remember
from tritune.errors import InputError
from tritune.pipeline.lineage import _rows, _steps, lineage
from tritune.pipeline.registered_version import RegisteredVersion
from tritune.pipeline.registry import register


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_every_stage_says_what_it_read_and_wrote(registered: Project):
    found = lineage(registered.folder, "v0.0.1")
    assert (found.tag, found.version.method, found.version.seed) == ("classifier@v0.0.1", "full", 13)
    ingest, select = found.steps
    assert (ingest.stage, select.stage) == ("ingest", "select")
    assert ingest.read == {"rows.csv": md5(registered.folder / "rows.csv")}
    assert ingest.code == {"stages.py": md5(registered.folder / "stages.py")}
    rows = registered.folder / "data/ingested/test.parquet"
    assert select.read == {"data/ingested/test.parquet": md5(rows)}
    assert select.wrote["models/selected"] == found.version.content
    assert select.parameters == {"method.full.lr": 0.9}


def test_it_is_that_of_the_version_and_not_of_the_work_tree(registered: Project):
    registered.train("0.7", rows="other\nrows\n")
    register(registered.folder)
    assert lineage(registered.folder, "v0.0.1").steps[1].parameters == {"method.full.lr": 0.9}
    assert lineage(registered.folder, "v0.0.2").steps[1].parameters == {"method.full.lr": 0.7}
    assert lineage(registered.folder, None).version.version == "v0.0.1"  # the champion


def test_without_a_version_the_next_move_is_told(project: Project):
    with pytest.raises(
        InputError, match=r"^no version is registered yet; `tritune run` registers the model it selects$"
    ):
        lineage(project.folder, None)


def test_of_several_trainings_only_the_chosen_one_is_on_the_way():
    def entry(deps: list[str], outs: list[str]) -> dict:
        return {"deps": [{"path": p, "md5": p} for p in deps], "outs": [{"path": p, "md5": p} for p in outs]}

    entries = {
        "fetch": entry([], ["data/raw", "base"]),
        "prepare@full": entry(["base"], ["plans/full"]),
        "prepare@half": entry(["base"], ["plans/half"]),
        "train@full-13": entry(["plans/full", "tasks/train.py"], ["checkpoints/full-13"]),
        "train@half-13": entry(["plans/half"], ["checkpoints/half-13"]),
        "select": entry(["checkpoints"], ["models/selected"]),
        "other": entry(["base"], ["elsewhere"]),
    }
    version = RegisteredVersion("v0.0.1", (), datetime.now(UTC), "c", "m", method="half", seed=13)
    steps = list(_steps(entries, version))
    assert [step.stage for step in steps] == ["fetch", "prepare@half", "train@half-13", "select"]


def test_the_rows_are_counted_by_the_profile_in_the_cache(registered: Project):
    profile = {"splits": {"train": {"rows": 7}, "test": {"rows": 3}}}
    folder = registered.folder / "data/ingested"
    (folder / "profile.json").write_text(json.dumps(profile))
    registered.dvc("commit", "--force", "--quiet", "ingest")
    (listing,) = (
        path
        for path in (registered.folder / ".dvc/cache/files/md5").rglob("*.dir")
        if "profile.json" in path.read_text()
    )
    content = listing.parent.name + listing.name
    (folder / "profile.json").unlink()
    assert _rows(registered.folder, content) == {"train": 7, "test": 3}
    listing.unlink()
    assert _rows(registered.folder, content) is None


def test_people_get_lines_and_programs_json(
    registered: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(registered.folder)
    assert main(["lineage", "v0.0.1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tag"] == "classifier@v0.0.1"
    assert [step["stage"] for step in found["steps"]] == ["ingest", "select"]
    assert main(["lineage"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("classifier@v0.0.1 (champion), registered 20")
    assert f"  commit      {found['version']['commit']}" in printed
    assert "  macro F1    validation 0.8500, test 0.9000" in printed
    assert "  machine     not on record" in printed
    test_rows = md5(registered.folder / "data/ingested/test.parquet")
    assert f"    reads   data/ingested/test.parquet  {test_rows[:10]}" in printed
    assert printed[-1] == "  method.full.lr: 0.9"


def test_files_that_it_answered_are_on_the_way_on_from_it(
    registered: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(registered.folder)
    for name in ("new.csv", "labels.csv"):
        (registered.folder / name).write_text(name)
    before = registered.git("rev-parse", "HEAD"), registered.git("status", "--porcelain"), registered.tags()
    given, target = registered.folder / "new.csv", registered.folder / "labels.csv"
    for reference, source, rows in ((None, given, 7), ("champion", None, 1)):
        answering = answering_version(registered.folder, reference, source=source)
        assert answering is not None
        remember(registered.folder, answering, target=target, rows=rows)
    latest, first = lineage(registered.folder, "v0.0.1").predictions
    assert (first.version, first.rows, first.input, first.output) == ("v0.0.1", 7, "new.csv", "labels.csv")
    assert first.model == lineage(registered.folder, "v0.0.1").version.content
    assert first.input_sha256 == hashlib.sha256(b"new.csv").hexdigest()
    assert (latest.input, latest.output_sha256) == ("", hashlib.sha256(b"labels.csv").hexdigest())
    assert main(["lineage"]) == 0
    said = capsys.readouterr().out
    shown = said.partition("predicted with it\n")[2].splitlines()
    assert shown[0].endswith(f"  labels.csv  {latest.output_sha256[:10]}, 1 row of stdin")
    assert shown[1].endswith(f", 7 rows of new.csv  {first.input_sha256[:10]}")
    after = registered.git("rev-parse", "HEAD"), registered.git("status", "--porcelain"), registered.tags()
    assert after == before
    subjects = registered.git("log", "--format=%s", "refs/tritune/predictions").splitlines()
    assert subjects[1] == "v0.0.1 answered 7 rows of new.csv into labels.csv"


def test_a_model_that_is_no_version_has_nobody_to_answer(project: Project):
    assert answering_version(project.folder, None, source=None) is None
    shutil.rmtree(project.folder / ".git")
    assert answering_version(project.folder, None, source=None) is None
