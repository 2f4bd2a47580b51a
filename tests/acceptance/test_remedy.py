"""`tritune remedy --try` in a clone in which a run has ended: trained aside, nothing of the user's moved."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.slow


def held(folder) -> dict[str, bytes]:
    """What git sees of the project, and where it stands."""
    command = ["git", "-C", str(folder), "status", "--porcelain", "--branch"]
    files = ("params.yaml", "dvc.yaml", "dvc.lock", "results/comparison.json")
    return {
        "git": subprocess.run(command, check=True, capture_output=True).stdout,
        **{name: (folder / name).read_bytes() for name in files},
    }


def test_remedies_are_tried_aside_and_a_taken_one_is_found_trained(first_run):
    clone = first_run()
    path = clone.folder / "results/comparison.json"
    content = json.loads(path.read_text())
    # The tiny model does not overfit by itself.
    content["overfit_watch"]["methods"]["full"]["13"].update(verdict="overfitting", onset=2)
    path.write_text(json.dumps(content))
    before = held(clone.folder)
    tried = clone.tritune("remedy", "full", "--try")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert held(clone.folder) == before
    assert not (clone.folder / ".dvc/tmp/tritune/retrain/project").exists()
    lines = tried.stdout.splitlines()
    start = lines.index("validation macro F1, one seed:")
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == [
        "full",
        "full_frozen",
        "full_slower",
        "full_head_first",
    ]
    assert any("train@full-13" in line and "ran" not in line for line in lines[:start])

    def take(params: dict) -> None:
        params["methods"] = ["full", "full_slower"]
        params["method"]["full_slower"] = {"kind": "full", "lr": 5e-3}

    clone.set_params(take)
    ran = clone.tritune("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert any("train@full_slower-13" in line and "run-cache" in line for line in ran.stdout.splitlines())
