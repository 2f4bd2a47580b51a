"""What a user can get wrong, tried in a clone: one message, exit code 2, nothing half-written.

Each sentence in full is pinned by the test of the module that says it; what the hub can answer (no such
repository or revision, gated, unreachable) is tried against a server in
tests/tritune/models/test_source_hub.py.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import held

HEADER = "text,label\n"
OUTPUTS = ("data", "base", "plans", "sweeps", "checkpoints", "histories", "evaluations", "metrics")
OUTPUTS += ("results", "models")
ROWS = "".join(f"word{i} {label} number{i},{label}\n" for i in range(12) for label in ("a", "b"))


@pytest.fixture(scope="module")
def clone(make_clone, tiny_base):
    """A clone whose data are a small valid csv and whose model is a small valid folder."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "base model")
    (clone.folder / "rows.csv").write_text(HEADER + ROWS)
    clone.set_params(
        lambda p: (
            p["data"].update(source="rows.csv", min_rows_per_class=2, rare_classes="error"),
            p["model"].update(source="base model"),
        )
    )
    clone.run("git", "add", "-A")
    clone.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "own data")
    return clone


@pytest.fixture
def spoilt(clone):
    """The clone, put back to its valid state afterwards."""
    yield clone
    clone.run("git", "checkout", "-q", "--", ".")
    clone.run("git", "clean", "-qfd", "-e", ".venv")
    # The cache too: DVC knows a source by its name, and would give back what the last test's file held.
    for made in (*OUTPUTS, "measurements", "dvc.lock", ".dvc/cache"):
        path = clone.folder / made
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def params(section: str, **values) -> Callable:
    def change(clone) -> None:
        clone.set_params(lambda p: p[section].update(values) if section else p.update(values))

    return change


def replace_in_params(clone, old: str, new: str) -> None:
    path = clone.folder / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def text_file(name: str, content: str | bytes, **data) -> Callable:
    def change(clone) -> None:
        path = clone.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if data:
            clone.set_params(lambda p: p["data"].update(data))

    return change


def model_folder(change_folder: Callable[[Path], object]) -> Callable:
    def change(clone) -> None:
        change_folder(clone.folder / "base model")

    return change


def edit_config(folder: Path, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


BEFORE_ANY_STAGE = {
    "params missing": (lambda c: (c.folder / "params.yaml").unlink(), "params.yaml: no such file in"),
    "params not YAML": (text_file("params.yaml", "task: [1"), "params.yaml, line 2: not valid YAML"),
    "tabs in params": (lambda c: replace_in_params(c, "  epochs", "\tepochs"), "a tab at its start"),
    "a key twice": (
        lambda c: replace_in_params(c, "  epochs: 3", "  epochs: 3\n  epochs: 4"),
        'found duplicate key "epochs"',
    ),
    "no seeds": (params("", seeds=[]), "seeds: must not be empty"),
    "another torch than recorded": (
        lambda c: (c.folder / "versions.yaml").write_text(
            "torch: 1.0\npeft: 1.0\ntransformers: 1.0\ntokenizers: 1.0\n"
        ),
        "versions.yaml names torch 1.0",
    ),
    "wrong type": (params("train", epochs="three"), "train.epochs: must be a whole number (got 'three')"),
    "typo": (params("train", lerning_rate=1), "train.lerning_rate: unknown key"),
    "unknown method": (params("", methods=["ful"]), "methods: ful is not defined under `method`"),
    "unknown kind": (params("method", full={"kind": "prefix"}), "method.full.kind: must be full"),
    "out of range": (
        params("method", adaptive={"kind": "adaptive", "decay": 2}),
        "method.adaptive.decay: must be above 0 and at most 1 (got 2)",
    ),
    "two ways to freeze": (
        params("method", partial={"kind": "partial", "freeze_layers": 1, "freeze_fraction": 0.5}),
        "method.partial",
    ),
    "data missing": (params("data", source="nowhere.csv"), "nowhere.csv"),
    "data in the pipeline's own folder": (
        text_file("data/raw/rows.csv", HEADER, source="data/raw"),
        "data/raw",
    ),
    "two files for one split": (
        lambda c: (
            text_file("two/train.csv", HEADER)(c),
            text_file("two/train.tsv", HEADER, source="two")(c),
        ),
        "train.csv and train.tsv both claim to be the train split",
    ),
    "a web address": (params("data", source="https://example.org/rows.csv"), "web addresses are not read"),
    "a home that is not there": (params("data", source="~nobody_there/rows.csv"), "cannot be a path"),
    "a model by its name on the hub": (
        params("model", source="google-bert/bert-base-uncased"),
        "hub:google-bert/bert-base-uncased@REVISION",
    ),
    "a model's file": (
        params("model", source="base model/model.safetensors"),
        "name the folder that holds it",
    ),
    "data of an unknown kind": (text_file("rows.xlsx", "x", source="rows.xlsx"), "rows.xlsx"),
    "folder without splits": (text_file("splits/stuff.csv", HEADER, source="splits"), "stuff.csv"),
    "package missing": (params("data", source="package:no_such_package/data"), "no_such_package"),
    "hub data without revision": (params("data", source="hub:owner/name"), "hub:owner/name"),
    "model missing": (params("model", source="no folder"), "no folder"),
    "model without config": (model_folder(lambda f: (f / "config.json").unlink()), "config.json"),
    "model without weights": (model_folder(lambda f: (f / "model.safetensors").unlink()), "safetensors"),
    "model with pickled weights": (model_folder(pickle_only), "pytorch_model.bin"),
    "model with truncated weights": (model_folder(cut_weights), "model.safetensors"),
    "model with code of its own": (
        model_folder(lambda f: edit_config(f, auto_map={"AutoModel": "x.Y"})),
        "auto_map",
    ),
    "hub model without revision": (params("model", source="hub:owner/name@main"), "hub:owner/name@main"),
    "no git": (lambda c: (c.folder / ".git").rename(c.folder / ".git away"), "git"),
    "no dvc": (lambda c: (c.folder / ".dvc").rename(c.folder / ".dvc away"), "dvc"),
    "corrupt dvc.lock": (
        text_file("dvc.lock", "schema: [2"),
        "dvc.lock is damaged: line 2: did not find expected ',' or ']'; take one side with",
    ),
    "conflicted dvc.lock": (
        text_file("dvc.lock", "<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> other\n"),
        "dvc.lock",
    ),
    "conflicted dvc.yaml": (
        text_file("dvc.yaml", "<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> o\n"),
        "dvc.yaml",
    ),
}

IN_A_STAGE = {
    "empty table": ("ingest", text_file("rows.csv", HEADER), "rows.csv"),
    "label column missing": ("ingest", text_file("rows.csv", "text,topic\nx,a\n"), "label"),
    "text column missing": ("ingest", text_file("rows.csv", "body,label\nx,a\n"), "text"),
    "one class only": ("ingest", text_file("rows.csv", HEADER + "x,a\ny,a\nz,a\n"), "class"),
    "not UTF-8": ("ingest", text_file("rows.csv", HEADER.encode() + b"caf\xe9,a\n"), "UTF-8"),
    "semicolons": ("ingest", text_file("rows.csv", "text;label\nx;a\n"), "must be commas"),
    "a blank before a column's name": (
        "ingest",
        text_file("rows.csv", "text, label\nx, a\n"),
        "did you mean ' label'?",
    ),
    "a JSON array": (
        "ingest",
        text_file("rows.jsonl", '[{"text": "x", "label": "a"}]', source="rows.jsonl"),
        "each row on a line of its own",
    ),
    "a field too many": ("ingest", text_file("rows.csv", HEADER + ROWS + "x,a,b\n"), "rows.csv"),
    "a class with too few rows": ("ingest", text_file("rows.csv", HEADER + ROWS + "x,c\n"), "c"),
    "malformed json line": (
        "ingest",
        text_file("rows.jsonl", '{"text": "x", "label": "a"}\n{"text": \n', source="rows.jsonl"),
        "rows.jsonl",
    ),
    "a label missing": ("ingest", text_file("rows.csv", HEADER + ROWS + "some text,\n"), "label"),
}


IN_A_PLAN = {
    "everything frozen": (
        params("method", partial={"kind": "partial", "freeze_patterns": ["*"]}),
        "method.partial: the plan trains nothing",
    ),
    "more layers than the model has": (
        params("method", partial={"kind": "partial", "freeze_layers": 9}),
        "method.partial.freeze_layers: the model has 3 layers (got 9)",
    ),
}


def outputs(clone) -> set[str]:
    return {str(p.relative_to(clone.folder)) for name in OUTPUTS for p in (clone.folder / name).rglob("*")}


def assert_one_clear_message(done: subprocess.CompletedProcess, names: str) -> None:
    printed = done.stdout + done.stderr
    print(printed)
    assert done.returncode == 2
    assert "Traceback" not in printed
    assert "error: " in printed
    assert names in printed.split("error: ", 1)[1]


@pytest.mark.parametrize("kind", BEFORE_ANY_STAGE)
def test_it_is_refused_before_any_stage_runs(spoilt, kind, in_process):
    change, names = BEFORE_ANY_STAGE[kind]
    change(spoilt)
    before = outputs(spoilt)
    try:
        done = in_process(spoilt, "run")
        assert_one_clear_message(done, names)
        assert "Prefect" not in done.stdout + done.stderr
        assert "may have work to do" not in done.stdout
        assert outputs(spoilt) == before
    finally:
        for hidden in (".git", ".dvc"):
            if (spoilt.folder / f"{hidden} away").exists():
                (spoilt.folder / f"{hidden} away").rename(spoilt.folder / hidden)
        if kind.startswith("model"):
            spoilt.run("git", "checkout", "-q", "--", "base model")


@pytest.mark.parametrize("kind", IN_A_STAGE)
def test_a_stage_refuses_it_and_leaves_no_output(spoilt, kind):
    stage, change, names = IN_A_STAGE[kind]
    change(spoilt)
    done = spoilt.run(sys.executable, "-m", "dvc", "repro", stage)
    printed = done.stdout + done.stderr
    print(printed)
    assert done.returncode != 0
    assert "Traceback" not in printed
    assert names in printed.split("error: ", 1)[1]
    assert not (spoilt.folder / "data/ingested").exists()


@pytest.mark.parametrize("kind", IN_A_PLAN)
def test_a_plan_that_cannot_be_trained_is_refused_before_the_first_run(spoilt, kind, in_process):
    change, names = IN_A_PLAN[kind]
    change(spoilt)
    assert_one_clear_message(in_process(spoilt, "plan", "--method", "partial"), names)


def test_the_stage_refuses_such_a_plan_and_leaves_no_output(spoilt):
    params("method", partial={"kind": "partial", "freeze_patterns": ["*.layr.0.*"]})(spoilt)
    done = spoilt.run(sys.executable, "-m", "dvc", "repro", "prepare@partial")
    assert done.returncode != 0
    named = "method.partial.freeze_patterns: the pattern '*.layr.0.*' matches no tensor"
    assert named in (done.stdout + done.stderr).split("error: ", 1)[1]
    assert not (spoilt.folder / "plans").exists() or not list((spoilt.folder / "plans").iterdir())


@pytest.mark.slow
def test_the_flow_repeats_the_stage_s_own_sentence_about_the_file_as_it_is_now(spoilt):
    """The only test here that starts Prefect. DVC's cache holds another state of the same file."""
    fetched = spoilt.run(sys.executable, "-m", "dvc", "repro", "fetch")
    assert fetched.returncode == 0, fetched.stderr
    shutil.rmtree(spoilt.folder / "data")
    (spoilt.folder / "dvc.lock").unlink()
    text_file("rows.csv", HEADER + "x,a\ny,a\nz,a\n")(spoilt)
    done = spoilt.tritune("run")
    assert_one_clear_message(done, "rows.csv: every row has the label 'a'")
    assert "rows.csv changed since DVC cached it" in done.stdout
    assert "error: ingest failed: rows.csv: every row has the label 'a'" in done.stdout
    assert "run only this stage again: dvc repro -s ingest" in done.stdout


def test_a_second_run_says_which_process_has_the_first(spoilt):
    with held(spoilt.folder / WORK / "run.lock"):
        done = spoilt.tritune("run")
    assert_one_clear_message(done, f"(process {os.getpid()}); wait until it ends, or stop it with `kill")
    assert outputs(spoilt) == set()


def test_outside_a_project_it_says_where_to_go(spoilt, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "flows", "run"],
        cwd=tmp_path,
        env={**spoilt.environment, "PYTHONPATH": str(spoilt.folder)},
        capture_output=True,
        text=True,
    )
    assert_one_clear_message(done, "is not inside a tritune project")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("predict",), "models/selected"),
        (("predict", "--model", "champion"), "champion"),
        (("predict", "--model", "base model"), "base model"),
        (("promote", "v9.9.9"), "v9.9.9"),
        (("rollback",), "champion"),
        (("plan", "--method", "ful"), "ful"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_without_its_subject_says_what_is_there(spoilt, arguments, names, in_process):
    assert_one_clear_message(in_process(spoilt, *arguments, stdin="x\n"), names)


def test_a_file_in_the_way_of_a_folder_is_named(spoilt, in_process):
    (spoilt.folder / "data").write_text("in the way")
    done = in_process(spoilt, "run")
    assert_one_clear_message(done, "data: cannot be written to")
    assert (spoilt.folder / "data").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(spoilt):
    spoilt.folder.chmod(0o555)
    try:
        done = spoilt.tritune("run")
    finally:
        spoilt.folder.chmod(0o755)
    assert_one_clear_message(done, "cannot be written to")
