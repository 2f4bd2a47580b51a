"""What a stopped benchmark has finished stays, and counts only under the same conditions."""

import json

import pytest

from benchmarks.kept_trainings import keep_trainings, kept_trainings

CONDITIONS = {"threads": 1, "settings": {"epochs": 2}}


def test_what_is_kept_comes_back(tmp_path):
    trainings = [{"name": "ours", "f1": [0.5, 1.0]}, {"name": "theirs", "f1": [0.25, 1.0]}]
    path = tmp_path / "new folder" / "report.json"
    keep_trainings(path, {"conditions": CONDITIONS, "trainings": trainings, "difference": 0.125})
    assert kept_trainings(path, CONDITIONS) == trainings
    assert json.loads(path.read_text())["difference"] == 0.125
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_nothing_is_kept_at_first(tmp_path):
    assert kept_trainings(tmp_path / "report.json", CONDITIONS) == []


def test_trainings_under_other_conditions_are_refused_and_stay(tmp_path):
    path = tmp_path / "report.json"
    keep_trainings(path, {"conditions": CONDITIONS, "trainings": []})
    before = path.read_bytes()
    with pytest.raises(SystemExit) as refusal:
        kept_trainings(path, {**CONDITIONS, "threads": 2})
    assert str(refusal.value) == (
        f"{path} holds trainings of which threads is 1; now it is 2: keep them under this name and give the "
        "new ones another by --name, or remove the file"
    )
    assert path.read_bytes() == before
