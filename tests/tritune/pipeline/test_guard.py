"""A stage's process, started as DVC starts it."""

import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from toy_project import Toy, make_toy, toy_environment, wait_until

from tritune.pipeline.machine import this_machine

TRAIN = ("-m", "tasks", "train", "--method", "full", "--seed", "13")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("template")
    toy = make_toy(folder / "toy project", toy_environment(folder))
    assert toy.dvc("repro", "-s", "prepare")[0] == 0
    return toy


@pytest.fixture
def prepared(template: Toy, tmp_path: Path) -> Toy:
    """A toy project of the test's own whose first stage is up to date."""
    shutil.copytree(template.folder, tmp_path / "copy")
    return Toy(tmp_path / "copy", template.environment)


def at_train(event: str) -> str:
    return json.dumps({"train@full-13": event})


def stage(toy: Toy, **environment: str) -> tuple[int, str]:
    return toy.call(sys.executable, *TRAIN, **environment)


def test_provenance_is_what_dvc_lock_says_and_nothing_that_differs_from_run_to_run(prepared):
    assert prepared.dvc("repro", "-s", "train@full-13")[0] == 0
    made_by = json.loads((prepared.folder / "checkpoints/full-13/provenance.json").read_text())
    entry = YAML(typ="safe").load(prepared.folder / "dvc.lock")["stages"]["train@full-13"]
    assert made_by == {"stage": "train@full-13", **{key: entry[key] for key in ("cmd", "deps", "params")}}
    assert made_by["params"]["params.yaml"]["method.full"]["lr"] == 0.01  # 1e-2 is a number, as DVC reads it


def test_a_stage_may_go_without_provenance_so_that_equal_content_stays_equal(prepared):
    assert sorted(p.name for p in (prepared.folder / "data/tokens").iterdir()) == ["rows.json"]


def test_measurements_lie_beside_the_outputs(prepared):
    assert stage(prepared)[0] == 0
    measured = json.loads((prepared.folder / "measurements/train@full-13.json").read_text())
    assert measured["steps"] == 20
    assert 0 <= measured["seconds"] < 30
    assert 5e6 < measured["peak_memory_bytes"] < 5e9
    assert measured["machine"] == this_machine()
    assert len(measured["key"]) == 64


def test_scratch_is_gone_after_success(prepared):
    assert stage(prepared)[0] == 0
    assert not (prepared.folder / ".dvc/tmp/tritune/scratch/train@full-13").exists()


def test_a_changed_parameter_does_not_resume_another_settings_checkpoint(prepared):
    assert stage(prepared, TOY_EVENTS=at_train("out of memory"))[0] == -9
    assert prepared.scratch_step("train@full-13") == 10
    prepared.change("method.full", lr=0.02)
    assert "step 5/20" in stage(prepared)[1]


def test_a_killed_training_goes_on_with_a_setting_that_changes_no_result(prepared):
    assert stage(prepared, TOY_EVENTS=at_train("out of memory"))[0] == -9
    prepared.change("compute", recompute_activations=True)
    code, output = stage(prepared)
    assert code == 0
    assert "step 15/20" in output
    assert "step 10/20" not in output


def test_a_killed_stage_leaves_the_old_outputs_as_they_were(prepared):
    assert stage(prepared)[0] == 0
    before = prepared.checkpoints()
    prepared.change("method.full", lr=0.03)
    assert stage(prepared, TOY_EVENTS=at_train("out of memory"))[0] == -9
    assert prepared.checkpoints() == before


def test_two_processes_of_one_stage_do_not_run_at_once(prepared):
    lock = prepared.folder / ".dvc/tmp/tritune/locks/train@full-13.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        code, output = stage(prepared)
    assert code == 75
    assert "error: train@full-13 is already being run, by process 4711" in output


def test_a_training_waits_for_a_slot(prepared):
    folder = prepared.folder / ".dvc/tmp/tritune/slots"
    folder.mkdir(parents=True)
    held = [(folder / f"cpu-{i}.lock").open("w") for i in range(os.cpu_count() or 1)]
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX)
    process = prepared.start(sys.executable, *TRAIN, PYTHONUNBUFFERED="1")
    assert "at a time here" in process.stdout.readline()
    assert prepared.scratch_step("train@full-13") == 0
    for file in held:
        file.close()
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ("full disk", "error: no space left on the disk that holds"),
        (
            "no memory",
            "error: train@full-13 ran out of memory; set compute.recompute_activations: true",
        ),
    ],
)
def test_too_little_disk_or_memory_is_a_sentence_and_leaves_nothing_half_written(prepared, lacking, sentence):
    code, output = stage(prepared, TOY_EVENTS=at_train(lacking))
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
    assert not (prepared.folder / "checkpoints").exists()


def test_a_stage_whose_flow_is_gone_does_not_start(prepared):
    code, _ = stage(prepared, TRITUNE_SUPERVISOR="999999:1.0")
    assert code == 77
    assert not prepared.checkpoints()


def test_an_output_that_was_not_written_is_an_error(toy):
    (toy.folder / "tasks/prepare.py").write_text("def run(ctx):\n    pass\n")
    code, output = toy.call(sys.executable, "-m", "tasks", "prepare")
    assert code == 1
    assert "the stage did not write data/tokens, which dvc.yaml declares" in output


def test_a_body_sees_declared_parameters_only(toy):
    (toy.folder / "tasks/prepare.py").write_text("def run(ctx):\n    print(sorted(ctx.params), ctx.item)\n")
    _, output = toy.call(sys.executable, "-m", "tasks", "prepare")
    assert "['tokenize'] {}" in output


def test_threads_and_gpu_are_set_before_the_body_is_imported(prepared):
    (prepared.folder / "tasks/train.py").write_text(
        "import os\nSEEN = os.environ['OMP_NUM_THREADS']\n"
        "def run(ctx):\n    print('threads', SEEN, ctx.params['compute'])\n"
    )
    prepared.change("compute", threads=3)
    assert "threads 3 {'threads': 3}" in stage(prepared)[1]


def test_sigterm_ends_a_stage_and_its_scratch_stays(prepared):
    prepared.change("train", batch_size=200)
    process = prepared.start(sys.executable, *TRAIN, TOY_STEP_SECONDS="0.05")
    wait_until(lambda: prepared.scratch_step("train@full-13") >= 5)
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 143
    assert prepared.scratch_step("train@full-13") >= 5


def test_installed_versions_that_differ_from_the_recorded_ones(prepared):
    dag = prepared.folder / "dvc.yaml"
    dag.write_text(
        dag.read_text().replace(
            'params: [train, compute, "method', 'params: [{versions.yaml: [torch]}, train, compute, "method'
        )
    )
    (prepared.folder / "versions.yaml").write_text("torch: 1.2.3+gpu\n")
    code, output = stage(prepared)
    assert code == 2
    assert "error: versions.yaml names torch 1.2.3+gpu (installed:" in output


def test_an_unknown_stage_is_refused(toy):
    code, output = toy.call(sys.executable, "-m", "tasks", "trian")
    assert code == 2
    assert "invalid choice: 'trian'" in output


def test_a_stage_and_its_command_must_agree(prepared):
    code, output = stage(prepared, DVC_STAGE="train@partial-13")
    assert code == 2
    assert "error: DVC calls this stage train@partial-13, its cmd train@full-13" in output


def test_without_the_environment_there_is_one_sentence(toy):
    (toy.folder / "tasks/prepare.py").write_text("import torch_of_another_environment\n")
    code, output = toy.call(sys.executable, "-m", "tasks", "prepare")
    assert code == 2
    assert output == (
        f"error: torch_of_another_environment is not installed for {sys.executable}; activate the project's "
        "environment (source .venv/bin/activate) and try again, or use .venv/bin/tritune run\n"
    )


def test_a_bug_in_an_import_of_ours_is_not_taken_for_a_missing_package(toy):
    (toy.folder / "tasks/prepare.py").write_text("import tritune.no_such_module\n")
    code, output = toy.call(sys.executable, "-m", "tasks", "prepare")
    assert code == 1
    assert "Traceback" in output


def test_a_stage_s_files_are_named_as_the_stage(prepared):
    assert Path(".dvc/tmp/tritune/locks/prepare.lock") in {
        path.relative_to(prepared.folder) for path in prepared.folder.rglob("prepare.lock")
    }
