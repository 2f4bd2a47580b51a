"""`tritune verify` on the real pipeline: every stage after `fetch` runs again, and the grade is right."""

import json
import re
import shutil
import sys

import pytest
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def ran(make_clone, tiny_base, topics_csv):
    """A clone whose pipeline ran by plain DVC and was registered as v0.0.1."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    shutil.copy(topics_csv, clone.folder / "topics.csv")

    def change(params: dict) -> None:
        params["data"].update(source="topics.csv", min_rows_per_class=5)
        params["model"]["source"] = "base model"
        params["train"].update(epochs=3, batch_size=8)
        for method in params["method"].values():
            method["lr"] = 1e-2

    clone.set_params(change)
    for command in (("dvc", "repro"), ("flows", "run")):
        done = clone.run(sys.executable, "-m", *command, timeout=2000)
        assert done.returncode == 0, done.stdout + done.stderr
    return clone


def left_behind(clone) -> list[str]:
    found = clone.run("git", "worktree", "list", "--porcelain").stdout.split("worktree ")[2:]
    return [*found, *map(str, (clone.folder / ".dvc/tmp/tritune/verify").glob("*"))]


def test_a_version_comes_out_the_same_to_the_last_byte(ran):
    message = ran.run("git", "tag", "--list", "--format=%(contents)", "classifier@v0.0.1").stdout
    (machine,) = re.findall(r"(?m)^made-on: (.*)$", message)
    assert {"processor", "processor features", "precision", "threads", "device"} <= set(json.loads(machine))
    before = ran.run("git", "status", "--porcelain").stdout
    done = ran.tritune("verify", "v0.0.1", timeout=2000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v0.0.1 is bit-identical: the model comes out the same to the last byte" in done.stdout
    assert "17 stages ran again: ingest, tokenize, prepare@full" in done.stdout
    assert "otherwise than" not in done.stdout
    assert ran.run("git", "status", "--porcelain").stdout == before
    assert left_behind(ran) == []


def test_a_tag_whose_files_did_not_make_its_model_is_different_and_the_causes_are_named(ran):
    """As a tag made by hand would be: its params.yaml and versions.yaml are not those of the training."""
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    assert ran.run("git", "checkout", "-qfB", "by-hand", "classifier@v0.0.1").returncode == 0
    ran.set_params(lambda params: params["train"].update(epochs=1))
    versions = YAML(typ="safe").load(ran.folder / "versions.yaml")
    (ran.folder / "versions.yaml").write_text(
        "".join(f"{name}: {version}\n" for name, version in {**versions, "torch": "2.0.0+old"}.items())
    )
    ran.run("git", *author, "commit", "-qam", "changed")
    ran.run("git", *author, "tag", "-a", "classifier@v0.0.2", "-m", "by hand")
    done = ran.tritune("verify", "classifier@v0.0.2", timeout=2000)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "v0.0.2 is different: the model does not come out as it was registered" in done.stdout
    assert f"library versions: made with torch 2.0.0+old (here: {versions['torch']})" in done.stdout
    assert "parameters: train in params.yaml is not the one that sweep@full was made with" in done.stdout
    assert "the first stage to give something else is train@" in done.stdout
    assert re.search(r"test: \d+\.\d\d% of the answers are the same", done.stdout)
    assert left_behind(ran) == []
