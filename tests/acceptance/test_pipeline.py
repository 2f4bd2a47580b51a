"""The real pipeline with real git, DVC and Prefect: a tiny model, a csv, a path with spaces."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ADAPTIVE_STAGES = {"prepare@adaptive", "train@adaptive-13", "evaluate@adaptive-13", "compare", "select"}
STAGES = 3 + 3 * 3 + 2  # fetch, ingest, tokenize; prepare, train, evaluate of three methods; compare, select


@pytest.fixture(scope="module")
def ran(make_clone, tiny_base, topics_csv):
    """A clone in which `tritune run` has run once on the user's csv and a local model."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "my base")
    shutil.copy(topics_csv, clone.folder / "topics.csv")

    def use_own_data(params):
        params["data"].update(source="topics.csv", min_rows_per_class=2, rare_classes="error")
        params["model"]["source"] = "my base"
        params["train"].update(epochs=5, batch_size=8)
        for method in params["method"].values():
            method["lr"] = 1e-2  # the base model is random: there is nothing to be careful with

    clone.set_params(use_own_data)
    clone.first = clone.tritune("run")
    assert clone.first.returncode == 0, clone.first.stdout + clone.first.stderr
    return clone


def stale_stages(clone) -> set[str]:
    """What `dvc repro` would bring up to date."""
    done = clone.run(sys.executable, "-m", "dvc", "repro", "--dry")
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for name in ("checkpoints", "evaluations", "models") for p in (folder / name).rglob("*"))
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()
    }


def test_one_command_trains_compares_and_registers(ran):
    output = ran.first.stdout
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
    assert scores["test"]["accuracy"] > 0.8


def test_registration_leaves_branch_index_and_work_tree_alone(ran):
    assert ran.run("git", "log", "--oneline").stdout.count("\n") == 1
    assert ran.run("git", "diff", "--cached", "--name-only").stdout == ""
    changed = ran.run("git", "status", "--porcelain").stdout
    assert " M params.yaml" in changed
    assert "?? dvc.lock" in changed


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
        assert stale_stages(ran) == ADAPTIVE_STAGES
    finally:
        (ran.folder / "params.yaml").write_text(before)


def test_editing_a_method_s_code_makes_only_its_own_runs_stale(ran):
    code = ran.folder / "tritune/methods/adaptive.py"
    before = code.read_text()
    code.write_text(before + "\n# edited\n")
    try:
        assert stale_stages(ran) == ADAPTIVE_STAGES
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


def test_deleted_outputs_come_back_from_the_cache_with_the_same_bytes(ran):
    before = hashes(ran.folder)
    for name in (
        "data",
        "base",
        "plans",
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


def test_an_edited_csv_is_noticed(ran):
    path = ran.folder / "topics.csv"
    before = path.read_text()
    path.write_text(before + "salt and seed on the road,travel\n")
    try:
        done = ran.tritune("status")
        assert done.returncode == 0
        assert re.search(r"fetch\W+.*topics\.csv", done.stdout), done.stdout
    finally:
        path.write_text(before)


def test_killed_in_training_it_leaves_no_process_and_ends_with_the_same_bytes(ran):
    before = hashes(ran.folder)
    kept = (ran.folder / "checkpoints/full-13/provenance.json").read_text()
    for name in ("checkpoints", "histories"):
        shutil.rmtree(ran.folder / name)
    (ran.folder / "dvc.lock").unlink()
    for run_cache in (ran.folder / ".dvc/cache").glob("runs"):
        shutil.rmtree(run_cache)
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows", "run"],
        cwd=ran.folder,
        env=ran.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    training = ["pgrep", "-f", r"tasks train --method"]
    wait_until(lambda: subprocess.run(training, capture_output=True).returncode == 0, seconds=200)
    flow.send_signal(signal.SIGKILL)
    flow.wait()
    wait_until(lambda: subprocess.run(training, capture_output=True).returncode != 0, seconds=30)
    done = ran.tritune("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ran.folder / "checkpoints/full-13/provenance.json").read_text() == kept
    assert hashes(ran.folder) == before


def wait_until(condition, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def test_predict_answers_from_a_file_and_from_stdin(ran):
    (ran.folder / "new.csv").write_text("message\nbread and butter\nthe hotel map\n")
    done = ran.tritune("predict", "--input", "new.csv", "--text", "message", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    rows = (ran.folder / "out.csv").read_text().splitlines()
    assert len(rows) == 3
    assert "label" in rows[0]
    done = ran.tritune("predict", "--model", "champion", stdin="bread and butter\nthe hotel map\n")
    labels = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert labels == [row.split(",")[rows[0].split(",").index("label")] for row in rows[1:]]


def test_the_registry_lists_the_champion_with_its_scores(ran):
    done = ran.tritune("registry")
    assert done.returncode == 0
    assert re.search(r"v0\.0\.1.*champion", done.stdout), done.stdout


def test_the_plan_shows_what_is_frozen(ran):
    done = ran.tritune("plan", "--method", "partial")
    assert done.returncode == 0, done.stderr
    assert "frozen" in done.stdout
    assert "head" in done.stdout
