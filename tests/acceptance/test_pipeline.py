"""The real pipeline with real git, DVC and Prefect: a tiny model, a csv, a path with spaces."""

import contextlib
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

ADAPTIVE_STAGES = {f"{stage}@adaptive" for stage in ("prepare", "sweep")}
ADAPTIVE_STAGES |= {"train@adaptive-13", "evaluate@adaptive-13", "compare", "select"}
STAGES = 3 + 4 * 3 + 2  # fetch, ingest, tokenize; prepare, sweep, train, evaluate of three; compare, select


@pytest.fixture(scope="module")
def ran(first_run):
    """A clone in which `tritune run` has run once on the user's csv and a local model."""
    return first_run()


def stale_stages(clone) -> set[str]:
    """The stages that `dvc repro` would run first; what follows depends on what comes out."""
    done = clone.run(sys.executable, "-m", "dvc", "repro", "--dry")
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for name in ("checkpoints", "evaluations", "models") for p in (folder / name).rglob("*"))
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()
    }


def test_one_command_trains_compares_and_registers(ran):
    output = ran.first["tritune run"][1]
    for method in ("full", "partial", "adaptive"):
        assert re.search(rf"\b{method}\b", output)
        assert (ran.folder / f"checkpoints/{method}-13/model.safetensors").is_file()
    comparison = json.loads((ran.folder / "results/comparison.json").read_text())
    assert comparison["chosen"]["method"] in {"full", "partial", "adaptive"}
    assert comparison["reason"] in " ".join(output.split())
    assert (ran.folder / "results/report.html").is_file()
    tags = ran.run("git", "tag").stdout.split()
    assert "classifier@v0.0.1" in tags
    assert any(tag.startswith("classifier#champion") for tag in tags)


def test_a_real_model_learns_the_easy_topics(ran):
    scores = json.loads((ran.folder / "metrics/full-13.json").read_text())
    assert scores["test"]["accuracy"] > 0.6


def test_registration_leaves_branch_index_and_work_tree_alone(ran):
    assert ran.run("git", "log", "--oneline").stdout.count("\n") == 1
    assert ran.run("git", "diff", "--cached", "--name-only").stdout == ""
    changed = ran.run("git", "status", "--porcelain").stdout
    assert " M params.yaml" in changed
    assert "?? dvc.lock" in changed


def test_training_and_evaluation_share_what_the_frozen_layers_give(ran):
    # Of the three methods one freezes layers; its evaluation finds the validation texts done.
    assert len(list((ran.folder / ".dvc/tmp/tritune/memos").glob("*.npy"))) == 3
    config = json.loads((ran.folder / "checkpoints/partial-13/config.json").read_text())
    assert config["tritune"]["frozen_layers"] == 2


def test_an_estimate_says_what_a_training_takes_and_changes_nothing(ran):
    done = ran.tritune("estimate", "--method", "partial")
    assert done.returncode == 0, done.stderr
    trainable = json.loads((ran.folder / "plans/partial/plan.json").read_text())["parameters_trainable"]
    assert re.search(rf"partial +{trainable:,} +\d+ MiB +\d+ s +\d+ MiB +\d+ s", done.stdout)
    assert stale_stages(ran) == set()
    assert len(list((ran.folder / ".dvc/tmp/tritune/memos").glob("*.npy"))) == 3


def test_the_run_of_a_ready_configuration_is_entered_into_the_docs(ran):
    refused = ran.run(sys.executable, "-m", "benchmarks.record")
    assert refused.returncode == 2
    assert "params.yaml is none of the ready configurations" in refused.stderr
    shutil.copy(ran.folder / "params.yaml", ran.folder / "configs/tickets.yaml")
    done = ran.run(sys.executable, "-m", "benchmarks.record")
    assert done.returncode == 0, done.stderr
    test = json.loads((ran.folder / "results/comparison.json").read_text())["methods"][0]["test"]
    assert f"| {test['macro_f1']:.4f} |" in (ran.folder / "docs/results.md").read_text()
    ran.run("git", "clean", "-qfd", "configs", "docs")


def test_dvc_finds_everything_up_to_date_after_the_flow(ran):
    assert ran.run(sys.executable, "-m", "dvc", "status", "--json").stdout.strip() == "{}"
    done = ran.run(sys.executable, "-m", "dvc", "repro")
    assert "Running stage" not in done.stdout
    assert done.returncode == 0


def test_a_second_run_says_so_without_loading_prefect_or_torch(ran):
    done = ran.run(sys.executable, "-X", "importtime", "-m", "flows", "run")
    assert done.returncode == 0
    assert "up to date" in done.stdout
    loaded = {
        line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time")
    }
    assert "dvc.repo" in loaded
    assert not loaded & {"prefect", "torch", "transformers"}


def test_a_method_s_parameter_makes_exactly_its_own_stages_stale(ran):
    before = (ran.folder / "params.yaml").read_text()
    ran.set_params(lambda params: params["method"]["adaptive"].update(decay=0.5))
    try:
        assert stale_stages(ran) == {"prepare@adaptive", "sweep@adaptive"}
    finally:
        (ran.folder / "params.yaml").write_text(before)


def test_editing_a_method_s_code_makes_only_its_own_runs_stale(ran):
    code = ran.folder / "tritune/methods/adaptive.py"
    before = code.read_text()
    code.write_text(before + "\n# edited\n")
    try:
        assert stale_stages(ran) == {"prepare@adaptive"}
    finally:
        code.write_text(before)


def test_editing_a_retry_count_leaves_everything_up_to_date(ran):
    dag = ran.folder / "dvc.yaml"
    before = dag.read_text()
    dag.write_text(before.replace("{resource: training}", "{resource: training, retries: 3}"))
    try:
        assert dag.read_text() != before
        assert stale_stages(ran) == set()
    finally:
        dag.write_text(before)


@pytest.mark.slow  # by default tests/flows does it with the toy pipeline
def test_deleted_outputs_come_back_from_the_cache_with_the_same_bytes(ran):
    before = hashes(ran.folder)
    for name in (
        "data",
        "base",
        "plans",
        "sweeps",
        "checkpoints",
        "histories",
        "evaluations",
        "models",
        "metrics",
        "results",
    ):
        shutil.rmtree(ran.folder / name)
    (ran.folder / "dvc.lock").unlink()
    done = ran.tritune("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Restored") >= STAGES
    assert hashes(ran.folder) == before
    tags = ran.run("git", "tag").stdout.split()
    assert "classifier@v0.0.2" not in tags


def test_an_edited_csv_is_noticed(ran, in_process):
    path = ran.folder / "tickets.csv"
    before = path.read_bytes()
    path.write_bytes(before + b"salt and seed on the road,travel\n")
    try:
        done = in_process(ran, "status")
        assert done.returncode == 0
        assert re.search(r"fetch\W+.*tickets\.csv", done.stdout), done.stdout
    finally:
        path.write_bytes(before)


def test_the_stage_s_key_is_the_name_of_its_entry_in_dvc_s_run_cache(ran):
    ask = (
        "import sys; from pathlib import Path; from tritune.pipeline.identity import identity_of; "
        "[print(identity_of(stage, root=Path.cwd()).key) for stage in sys.argv[1:]]"
    )
    stages = ("fetch", "prepare@partial", "train@full-13", "select")
    keys = ran.run(sys.executable, "-c", ask, *stages).stdout.split()
    for stage, key in zip(stages, keys, strict=True):
        assert (ran.folder / ".dvc/cache/runs" / key[:2] / key).is_dir(), stage


@pytest.mark.slow  # by default tests/flows does it with the toy pipeline, tests/tasks with the real sweep
def test_after_dvc_repro_the_flow_finds_every_stage_cached(ran):
    ran.set_params(lambda params: params["method"]["adaptive"].update(decay=0.7, lr="sweep"))
    done = ran.run(sys.executable, "-m", "dvc", "repro", timeout=400)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == ADAPTIVE_STAGES
    found = json.loads((ran.folder / "sweeps/adaptive/sweep.json").read_text())
    assert len(found["trials"]) >= 16
    assert f"peak learning rate {found['factor'] * found['planned_lr']:.2e}: {found['reason']}" in done.stdout
    assert "How the rates were found" in (ran.folder / "results/report.html").read_text()
    done = ran.tritune("run", "--report")
    assert done.returncode == 0, done.stdout + done.stderr
    states = dict(re.findall(r"(?m)^(\S+)  (\w+) ", done.stdout))
    assert {name for name, state in states.items() if state != "Cached"} <= {"register"}, done.stdout
    assert len(states) >= STAGES


@pytest.mark.slow  # by default tests/flows does it with the toy pipeline
def test_parameters_edited_while_a_stage_runs_discard_its_result(ran):
    before = (ran.folder / "params.yaml").read_text(), (ran.folder / "dvc.lock").read_text()
    ran.set_params(lambda params: params["train"].update(epochs=150, patience=150))
    stage = start(ran, "-m", "dvc", "repro", "-s", "train@full-13")
    wait_until(lambda: trainings(ran), seconds=100)
    time.sleep(4)  # past the moment at which it read its inputs
    ran.set_params(lambda params: params["train"].update(epochs=151))
    printed = stage.communicate(timeout=300)[0]
    assert stage.returncode != 0
    assert "changed while train@full-13 ran" in printed
    assert (ran.folder / "dvc.lock").read_text() == before[1]
    (ran.folder / "params.yaml").write_text(before[0])
    assert ran.run(sys.executable, "-m", "dvc", "repro", timeout=400).returncode == 0


@pytest.mark.slow  # by default tests/flows does it with the toy pipeline, tests/tasks with the real stage
def test_killed_in_training_it_leaves_no_process_and_ends_with_the_same_bytes(ran):
    before = hashes(ran.folder)
    forget_the_trainings(ran.folder)
    flow = start(ran, "-m", "flows", "run")
    wait_until(lambda: trainings(ran), seconds=200)
    flow.send_signal(signal.SIGKILL)
    flow.communicate()
    wait_until(lambda: not processes(ran), seconds=30)

    flow = start(ran, "-m", "flows", "run")
    wait_until(lambda: trainings(ran), seconds=200)
    refused = ran.run(sys.executable, "-m", "dvc", "repro")
    assert refused.returncode != 0
    printed = flow.communicate(timeout=400)[0]
    assert flow.returncode == 0, printed
    assert stale_stages(ran) == set()
    assert hashes(ran.folder) == before


def forget_the_trainings(folder: Path) -> None:
    """Have all trainings, and nothing but them, run again."""
    for name in ("checkpoints", "histories", ".dvc/cache/runs"):
        shutil.rmtree(folder / name)
    yaml, path = YAML(), folder / "dvc.lock"
    lock = yaml.load(path.read_text())
    for stage in [name for name in lock["stages"] if name.startswith("train@")]:
        del lock["stages"][stage]
    with path.open("w") as file:
        yaml.dump(lock, file)


def start(clone, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=clone.folder,
        env=clone.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes(clone) -> list[list[str]]:
    """The command lines of all that runs in this clone, Prefect's server included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(clone.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def trainings(clone) -> list[list[str]]:
    return [command for command in processes(clone) if command[1:4] == ["-m", "tasks", "train"]]


def wait_until(condition, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def test_predict_answers_from_a_file_and_from_stdin(ran, in_process):
    (ran.folder / "new.csv").write_text("message\nbread and butter\nthe hotel map\n")
    done = in_process(ran, "predict", "--input", "new.csv", "--text", "message", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    rows = (ran.folder / "out.csv").read_text().splitlines()
    assert len(rows) == 3
    assert "label" in rows[0]
    done = in_process(ran, "predict", stdin="bread and butter\nthe hotel map\n")
    labels = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert labels == [row.split(",")[rows[0].split(",").index("label")] for row in rows[1:]]


def test_what_a_version_answered_is_on_record(ran, in_process):
    (ran.folder / "new.csv").write_text("message\nbread and butter\nthe hotel map\n")
    options = ("--model", "v0.0.1", "--input", "new.csv", "--text", "message", "--output", "answered.csv")
    done = in_process(ran, "predict", *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(in_process(ran, "lineage", "v0.0.1", "--json").stdout)["predictions"]
    assert (told[0]["input"], told[0]["output"], told[0]["rows"]) == ("new.csv", "answered.csv", 2)


def test_predict_takes_a_registered_version(ran, in_process):
    answers = [
        in_process(ran, "predict", "--model", name, stdin="bread\n") for name in ("champion", "v0.0.1")
    ]
    assert answers[0].returncode == 0, answers[0].stderr
    assert json.loads(answers[0].stdout)["label"] in {"garden", "kitchen", "travel"}
    assert answers[1].stdout == answers[0].stdout


def test_the_registry_lists_the_champion_with_its_scores(ran, in_process):
    done = in_process(ran, "registry")
    assert done.returncode == 0
    assert re.search(r"v0\.0\.1.*champion", done.stdout), done.stdout


def test_the_plan_shows_what_is_frozen(ran, in_process):
    done = in_process(ran, "plan", "--method", "partial")
    assert done.returncode == 0, done.stderr
    assert "frozen" in done.stdout
    assert "head" in done.stdout
