"""A two-stage project whose model and scores are whatever params.yaml says: registration at the speed of git."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from toy_project import PARAMS, toy_environment

DAG = """\
stages:
  ingest:
    cmd: python toy.py ingest
    deps: [toy.py, rows.csv]
    outs: [data/ingested]
  select:
    cmd: python toy.py select
    deps: [toy.py, data/ingested]
    params: [train]
    outs: [models/selected]
    metrics: [results/comparison.json: {cache: false}]
artifacts:
  classifier: {path: models/selected, type: model}
"""

# Imports nothing of ours, so that a stage takes as long as Python takes to start.
CODE = """\
import json, pathlib, re, shutil, sys

def write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

if sys.argv[1] == "ingest":
    train, test = pathlib.Path("rows.csv").read_text().split("---")
    write("data/ingested/train.parquet", train)
    write("data/ingested/test.parquet", test)
else:
    train = re.search("train: .*", pathlib.Path("params.yaml").read_text())[0]
    score, weight = (float(re.search(key + ": ([0-9.]+)", train)[1]) for key in ("max_grad_norm", "weight_decay"))
    write("models/selected/model.json", json.dumps({"weight": weight, "score": score}))
    own = {"macro_f1": score + 0.01, "negative_log_likelihood": 1 - score}
    test = {"macro_f1": score, "negative_log_likelihood": 1 - score}
    one = {"seed": 13, "validation": own, "test": test}
    mean = {"validation": {"macro_f1": 0.0}, "test": {"macro_f1": 0.0}}
    write("results/comparison.json", json.dumps({
        "metric": "macro_f1", "task": "text_classification",
        "chosen": {"method": "partial", "seed": 13},
        "methods": [{"method": "full", "seeds": []}, {"method": "partial", "seeds": [one], **mean}],
    }))
    if pathlib.Path("account.json").exists():
        shutil.copy("account.json", "models/selected/provenance.json")
"""

IGNORED = "/data/\n/models/\n/account.json\n__pycache__/\n"


class Project:
    """A project in a folder of its own, without a git identity."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)

    def call(self, *command: str, folder: Path | None = None, **environment: str) -> str:
        """Run a command that must succeed, and return what it printed on stdout."""
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def git(self, *arguments: str) -> str:
        return self.call("git", *arguments)

    def python(self, code: str) -> subprocess.Popen:
        """Start Python in the project."""
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def dvc(self, *arguments: str) -> str:
        return self.call(sys.executable, "-m", "dvc", *arguments)

    def make(self, *, score: float = 0.8, weight: float = 0.1) -> None:
        """Set what the model and its scores are, and bring the stages up to date."""
        self.set(score=score, weight=weight)
        self.dvc("repro", "-q")

    def set(self, *, score: float = 0.8, weight: float = 0.1) -> None:
        section = f"train: {{max_grad_norm: {score}, weight_decay: {weight}}}\n"
        lines = [line for line in PARAMS.splitlines(keepends=True) if not line.startswith("train:")]
        (self.folder / "params.yaml").write_text("".join(lines) + section)

    def commit(self) -> None:
        self.git("add", "-A")
        author = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgSign=false")
        self.git(*author, "commit", "--no-verify", "-qm", "work")

    def tags(self) -> list[str]:
        return self.git("tag").split()

    def state(self) -> dict[str, str]:
        """Everything of the user's that a registration must leave alone."""
        index = self.folder / ".git/index"
        return {
            "branch": self.git("rev-parse", "--abbrev-ref", "HEAD") if self.has_commit() else "",
            "head": self.git("rev-parse", "HEAD") if self.has_commit() else "",
            "branches": self.git("for-each-ref", "refs/heads"),
            "index": index.read_bytes().hex() if index.exists() else "",
            "status": self.git("--no-optional-locks", "status", "--porcelain", "--ignored"),
        }

    def has_commit(self) -> bool:
        command = ["git", "rev-parse", "-q", "--verify", "HEAD"]
        return (
            subprocess.run(
                command, cwd=self.folder, env=self.environment, capture_output=True, check=False
            ).returncode
            == 0
        )

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.environment)


def make_project(folder: Path) -> Project:
    """Return a project with results, in a git repository without any commit."""
    folder.mkdir(parents=True)
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    project = Project(folder, toy_environment(home))
    (folder / "dvc.yaml").write_text(DAG)
    (folder / "toy.py").write_text(CODE)
    (folder / "rows.csv").write_text("a,b\n---\nc,d\n")
    (folder / ".gitignore").write_text(IGNORED)
    (folder / ".dvcignore").write_text("__pycache__/\n")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (folder / ".dvc/.gitignore").write_text("/tmp\n/cache\n/config.local\n")
    project.git("init", "-q", "-b", "main")
    project.make()
    return project
