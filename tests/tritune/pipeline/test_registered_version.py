"""What a version's tag says is read back as it was written."""

import json
import subprocess
from pathlib import Path

import pytest
from gto.constants import Action

from tritune.pipeline.identity import key_of_entry
from tritune.pipeline.registered_version import annotation, describe
from tritune.pipeline.registry_tags import Event, Tags

ENTRY = {
    "cmd": "python -m tasks train",
    "deps": [{"path": "base", "hash": "md5", "md5": "1.dir"}],
    "outs": [{"path": "checkpoints/full-13", "hash": "md5", "md5": "2.dir"}],
}
MACHINE = {"processor": "A", "processor features": "avx2"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A finished run, as far as its tag is concerned."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for folder in ("results", "measurements"):
        (tmp_path / folder).mkdir()
    chosen = {"chosen": {"method": "full", "seed": 13}}
    (tmp_path / "results/comparison.json").write_text(json.dumps(chosen))
    (tmp_path / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"train@full-13": ENTRY}}))
    return tmp_path


def read_back(root: Path) -> dict[str, str]:
    message = annotation(root, name="classifier", version="v0.0.1", content="3.dir")
    event = Event("classifier@v0.0.1", Action.REGISTER, "0" * 40, 1, message, "v0.0.1")
    (version,) = describe(root, Tags("classifier", [event], 0), [event])
    assert version.content == "3.dir"
    return dict(version.made_on)


def test_the_machine_of_the_chosen_training_is_in_the_tag(project: Path):
    measured = {"key": key_of_entry(ENTRY), "machine": MACHINE, "precision": "bf16"}
    (project / "measurements/train@full-13.json").write_text(json.dumps(measured))
    assert read_back(project) == {**MACHINE, "precision": "bf16"}


def test_a_machine_that_made_something_else_is_not(project: Path):
    measured = {"key": "another", "machine": MACHINE}
    (project / "measurements/train@full-13.json").write_text(json.dumps(measured))
    assert read_back(project) == {}
