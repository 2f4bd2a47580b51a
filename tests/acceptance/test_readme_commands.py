"""README's commands, run as a new user runs them: in its order, on a csv with its column names."""

import csv
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

NOT_RUN_HERE = {
    "make demo": "sets up an environment and trains for minutes",
    "make test": "runs this test",
    "tritune use NAME": "a name of one's own choice; tests/flows/test_configuration.py puts each in place",
    "tritune predict": "stands for what it answers; the first hour's own lines below are run",
    "tritune chat": "needs a dialogue model; tests/acceptance/test_dialogue.py talks to one",
    'tritune explain "My card has not arrived"': "tests/flows/test_explain.py explains texts",
    "tritune advise --budget 60m --sizes 300,1000,all": "an hour; tests/acceptance/test_advise.py is small",
    "tritune verify v0.0.1": "trains all over again; tests/acceptance/test_verify.py does that",
    "tritune retrain": "trains again in a tree apart; tests/flows/test_retrain.py plays nights",
    'tritune serve --cron "0 3 * * *"': "waits for the night; tests/flows/test_serve.py starts it",
    "tritune work --pool gpus": "works until it is stopped; tests/flows/test_pool.py starts two",
    "tritune run --pool gpus": "needs workers; tests/flows/test_pool.py has some",
    "git log refs/tritune/decisions": "needs a decision; tests/tritune/pipeline/test_decisions.py makes some",
    ". .venv/bin/activate": "a test's clone has no environment; the fixture puts tritune and dvc on PATH",
}


def commands(readme: str) -> list[str]:
    """Every line of a sh block, and every whole command in running text, once, in their order.

    The table of commands names each without what it works on; it shows nothing that could be run.
    """
    readme = re.sub(r"(?m)^\|.*$", "", readme)
    pattern = r"(?ms)^ *```sh\n(?P<block>.*?)```|`(?P<inline>(?:tritune|dvc|git|make) [^`]+)`"
    found = []
    for match in re.finditer(pattern, readme):
        lines = match["block"].splitlines() if match["block"] else [" ".join(match["inline"].split())]
        found += [line.strip() for line in lines if line.strip()]
    return list(dict.fromkeys(found))


@pytest.fixture
def project(first_run):
    """A clone with README's settings, a tickets.csv to fit them, and a user with a name."""
    clone = first_run()
    for who in ("AUTHOR", "COMMITTER"):
        clone.environment |= {f"GIT_{who}_NAME": "A User", f"GIT_{who}_EMAIL": "user@example.org"}
    return clone


def a_second_model(clone) -> None:
    """Another epoch makes another model, which is registered; the gate lets it in even if it is worse."""
    open_gate = {"margin": 0.99, "class_margin": 0.99, "calibration_margin": 0.99}
    clone.set_params(
        lambda p: (p["train"].update(epochs=p["train"]["epochs"] + 1), p["register"].update(open_gate))
    )
    done = clone.run("tritune", "run")
    assert done.returncode == 0, done.stdout + done.stderr


def a_place_for_tags(clone) -> None:
    clone.run("git", "init", "-q", "--bare", "../origin.git")
    assert clone.run("git", "remote", "add", "origin", "../origin.git").returncode == 0


def a_place_for_data(clone) -> None:
    assert clone.run("dvc", "remote", "add", "--default", "store", "../store").returncode == 0


def an_edited_file(clone) -> None:
    with (clone.folder / "tickets.csv").open("a", encoding="utf-8") as file:
        file.write("soup with bread and salt please,kitchen\n")


BEFORE: dict[str, Callable] = {
    "tritune promote v0.0.2": a_second_model,
    "git push origin classifier@v0.0.2": a_place_for_tags,
    "dvc push": a_place_for_data,
    "dvc repro -f -s fetch": an_edited_file,
}
"""What the text around a command takes for granted."""


def trains_compares_and_registers(clone, printed: str) -> None:
    for method in ("full", "partial", "adaptive"):
        assert (clone.folder / f"checkpoints/{method}-13/model.safetensors").is_file()
    assert "registered: classifier v0.0.1" in printed
    assert "<html" in (clone.folder / "results/report.html").read_text()


def labels_one_text(clone, printed: str) -> None:
    del clone
    assert json.loads(printed)["label"] in {"garden", "kitchen", "travel"}


def labels_a_file(clone, printed: str) -> None:
    del printed
    with (clone.folder / "labelled.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert {"message", "text"} & set(rows[0])
    assert all(row["label"] for row in rows)


def commits_what_belongs_in_git(clone, printed: str) -> None:
    assert "First models" in printed
    held = clone.run("git", "ls-files").stdout.split()
    assert {"dvc.lock", "metrics/full-13.json", "results/comparison.json"} <= set(held)


def pushes_the_tag(clone, printed: str) -> None:
    del printed
    assert "classifier@v0.0.2" in clone.run("git", "--git-dir", "../origin.git", "tag").stdout


def pushes_the_data(clone, printed: str) -> None:
    assert "pushed" in printed
    assert any(path.is_file() for path in (clone.folder.parent / "store").rglob("*"))


def prints(expected: str) -> Callable:
    def check(clone, printed: str) -> None:
        del clone
        assert re.search(expected, printed), printed

    return check


EFFECT: dict[str, Callable] = {
    "tritune plan": prints("frozen"),
    "tritune run": trains_compares_and_registers,
    "tritune status": prints(r"all \d+ stages are up to date"),
    'echo "My card has not arrived" | tritune predict': labels_one_text,
    "tritune predict --input new.csv --text message --output labelled.csv": labels_a_file,
    'git add params.yaml dvc.lock metrics results/comparison.json && git commit -m "First models"': (
        commits_what_belongs_in_git
    ),
    "tritune registry": prints(r"v0\.0\.1 .*champion"),
    "tritune promote v0.0.2": prints(r"v0\.0\.2 is now the champion instead of v0\.0\.1"),
    "tritune rollback": prints(r"v0\.0\.1 is now the champion instead of v0\.0\.2"),
    "git push origin classifier@v0.0.2": pushes_the_tag,
    "dvc push": pushes_the_data,
    "tritune lineage v0.0.1": prints(r"(?s)classifier@v0\.0\.1.*data/raw.*train@.*models/selected"),
    "tritune run --push": prints("up to date"),
    "tritune estimate": prints("full"),
    "tritune remedy full": prints("full"),
    "tritune doctor": prints("versions: ok"),
    "tritune prune": prints("can go"),
    "tritune ui": prints(r"Prefect UI: http://127\.0\.0\.1:\d+"),
    "dvc repro -f -s fetch": prints("Running stage 'fetch'"),
}
"""One visible effect of each command."""


def test_every_command_is_run_here_or_it_is_said_why_not():
    assert set(commands(README)) == set(EFFECT) | set(NOT_RUN_HERE)


@pytest.mark.slow
def test_every_command_does_what_it_is_there_for(project):
    for command in commands(README):
        if command in NOT_RUN_HERE:
            continue
        if command in BEFORE:
            BEFORE[command](project)
        if command == "tritune ui":
            code, printed = served(project)
        else:
            code, printed = project.first.get(command) or ended(project, command)
        assert code == 0, f"{command}: {printed}"
        EFFECT[command](project, printed)


def ended(clone, command: str) -> tuple[int, str]:
    began = time.monotonic()
    done = clone.run("sh", "-c", command)
    print(f"{time.monotonic() - began:5.1f} s  {command}")  # shown when a later command fails
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def served(clone) -> tuple[int, str]:
    """Start `tritune ui`, wait until it says where it is, end it by Ctrl-C."""
    server = subprocess.Popen(
        ["tritune", "ui"],
        cwd=clone.folder,
        env={**clone.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = server.stdout.readline() + server.stdout.readline()
    server.send_signal(signal.SIGINT)
    return server.wait(30), printed + server.stdout.read()
