"""A stage that fails: its own error, the command that reruns only it, and the exit code it deserves."""

import json
import re
import shlex

import pytest
from toy_project import Toy, states

COMMAND = "run only this stage again: dvc repro -s train@partial-13"


def test_siblings_finish_and_each_failure_has_its_own_error(shared):
    events = {"train@partial-13": "bug", "train@full-13": "out of memory"}
    code, output = shared.tritune("run", TOY_EVENTS=json.dumps(events))
    assert code == 1
    shown = states(output)
    assert shown == {
        **dict.fromkeys(("prepare", "train@adaptive-13", "evaluate@adaptive-13"), "Completed"),
        **dict.fromkeys(("train@partial-13", "train@full-13"), "Failed"),
        **dict.fromkeys(("evaluate@partial-13", "evaluate@full-13", "compare"), "NotReady"),
    }
    assert "ZeroDivisionError: a bug in the body" in output
    assert "its process was killed; if nobody did that, memory ran out: set compute.recompute" in output
    assert COMMAND in output
    assert COMMAND.replace("partial", "full") in output
    for noise in ("ERROR:", "Running stage", "exited with", "prefect"):
        assert noise not in output, output


def test_the_user_s_own_mistake_is_one_sentence_and_exit_code_2(shared):
    code, output = shared.tritune("run", TOY_EVENTS=json.dumps({"train@partial-13": "users error"}))
    assert code == 2
    assert (
        "error: train@partial-13 failed: train.batch_size: 13 brings bad luck; choose another number\n"
        + COMMAND
        + "\nafter mending data or model: tritune run\n"
    ) in output
    assert "Traceback" not in output


def test_the_command_it_names_runs_only_that_stage(shared):
    code, output = shared.call(*shlex.split(COMMAND.partition(": ")[2]))
    assert code == 0
    assert output.count("Running stage") == 1
    assert shared.stale() == {"evaluate@partial-13", "compare"}


@pytest.fixture
def refused(toy: Toy):
    """A toy in which nothing may have run when the test is over."""
    yield toy
    assert not (toy.folder / "data").exists()
    assert not (toy.folder / "results").exists()


@pytest.fixture
def refusal(in_process):
    """What a command says that refuses to start, and ends with exit code 2."""

    def run(toy: Toy, command: str = "run") -> str:
        done = in_process(toy, command)
        output = done.stdout + done.stderr
        assert done.returncode == 2, output
        assert "Traceback" not in output
        return output

    return run


def test_a_wrong_setting_is_found_before_anything_else(refused, refusal):
    refused.change("train", patience=0)
    assert "train.patience: must be at least 1 and" not in refusal(refused)
    assert "train.patience" in refusal(refused)


def test_a_section_that_dvc_yaml_needs_may_not_be_left_out(refused, refusal):
    path = refused.folder / "params.yaml"
    path.write_text(path.read_text().replace("compute: {threads: 1}\n", ""))
    assert (
        "error: params.yaml: `compute` is missing, and train@full-13 depends on it; add it (a section may be "
        "empty, which means its defaults: `compute: {}`)" in refusal(refused)
    )


def test_no_git_repository(refused, refusal):
    (refused.folder / ".git").rename(refused.folder / "git")
    assert (
        "is not a git repository, which DVC and the model registry need; clone the project with git, or run"
        in (refusal(refused))
    )


def test_no_dvc_repository(refused, refusal):
    (refused.folder / ".dvc").rename(refused.folder / "dvc")
    assert "is not a DVC repository (it has no .dvc folder)" in refusal(refused)


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_conflicted_lock(refused, refusal, command):
    (refused.folder / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n<<<<<<< HEAD\n  prepare: {}\n=======\n  train: {}\n>>>>>>> other\n"
    )
    assert (
        "error: dvc.lock, line 3: an unresolved merge conflict; take one side with "
        "`git checkout --ours dvc.lock` (or --theirs), or delete the file: "
        "results that were made here before come back from DVC's cache"
    ) in refusal(refused, command)


@pytest.mark.parametrize("text", [b"schema: '2.0'\nstages:\n  prepare: [1, 2\n", b"\xff\xfe", b"stages: 3\n"])
def test_a_damaged_lock(refused, refusal, text):
    (refused.folder / "dvc.lock").write_bytes(text)
    assert re.match(
        r"error: dvc\.lock is damaged: .*; take one side with `git checkout --ours", refusal(refused)
    )


def test_a_damaged_dag(refused, refusal):
    (refused.folder / "dvc.yaml").write_text("stages:\n  prepare: [1, 2\n")
    assert re.match(r"error: dvc\.yaml is damaged: .*`git checkout dvc.yaml`", refusal(refused))


def test_an_unknown_variable_in_the_dag(refused, refusal):
    path = refused.folder / "dvc.yaml"
    path.write_text(path.read_text().replace("${seeds}", "${sedes}"))
    output = refusal(refused)
    assert "error: DVC cannot read the pipeline:" in output
    assert "sedes" in output


def test_results_that_cannot_be_written(refused, refusal):
    (refused.folder / "checkpoints").write_text("a file in the way")
    assert (
        "error: checkpoints: cannot be written to (Not a directory), but the pipeline puts its results "
        "there; make it a folder that you may write to, or remove it\n"
    ) in refusal(refused)


def test_other_versions_than_the_recorded_ones(refused, refusal):
    (refused.folder / "versions.yaml").write_text("torch: 1.2.3+gpu\n")
    assert re.search(r"versions\.yaml names torch 1\.2\.3\+gpu \(installed: \d", refusal(refused))


def test_a_prefect_server_that_does_not_answer(refused):
    code, output = refused.tritune("run", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert code == 1
    assert (
        "error: Prefect could not start, so nothing ran: Failed to reach API at http://127.0.0.1:9/api"
        in output
    )
    assert "Traceback" not in output
