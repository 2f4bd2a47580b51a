"""A project of two quick stages with a model to register: real git, DVC and GTO, no guard."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

STAGES = '''\
"""What the two stages run. `method.full.lr` in params.yaml is the model's test score."""

import hashlib
import json
import os
import sys
from pathlib import Path

from ruamel.yaml import YAML


def ingest():
    Path("data/ingested").mkdir(parents=True, exist_ok=True)
    rows = Path("rows.csv").read_text().splitlines()
    Path("data/ingested/train.parquet").write_text(rows[0])
    Path("data/ingested/test.parquet").write_text(rows[1])


def select():
    score = float(YAML(typ="safe", pure=True).load(Path("params.yaml"))["method"]["full"]["lr"])
    own = {"macro_f1": score, "accuracy": score, "negative_log_likelihood": 1 - score}
    mean = {name: 0.123 for name in own}
    comparison = {
        "metric": "macro_f1",
        "task": "text_classification",
        "chosen": {"method": "full", "seed": 13},
        "methods": [
            {
                "method": "full",
                "validation": mean,
                "test": mean,
                "seeds": [{"seed": 13, "validation": {**own, "macro_f1": score - 0.05}, "test": own}],
            }
        ],
    }
    Path("results").mkdir(exist_ok=True)
    Path("results/comparison.json").write_text(json.dumps(comparison, sort_keys=True))
    Path("models/selected").mkdir(parents=True, exist_ok=True)
    Path("models/selected/weights.txt").write_text(f"weights for {score}")
    deps = [
        {"path": path, "hash": "md5", "md5": hashlib.md5(Path(path).read_bytes()).hexdigest()}
        for path in ("stages.py", "data/ingested/test.parquet")
    ]
    provenance = {
        "stage": "select",
        "cmd": "python stages.py select",
        "deps": deps,
        "params": {"params.yaml": {"method.full.lr": score}},
    }
    Path("models/selected/provenance.json").write_text(json.dumps(provenance, sort_keys=True))


{"ingest": ingest, "select": select}[sys.argv[1]]()
'''

DAG = """\
stages:
  ingest:
    cmd: python stages.py ingest
    deps: [stages.py, rows.csv]
    outs: [data/ingested]
  select:
    cmd: python stages.py select
    deps: [stages.py, data/ingested/test.parquet]
    params: [method.full.lr]
    outs: [models/selected]
    metrics:
      - results/comparison.json:
          cache: false
artifacts:
  classifier: {path: models/selected, type: model}
"""

PARAMS = """\
task: text_classification
data: {source: rows.csv}
model: {source: nowhere}
methods: [full]
seeds: [13]
method: {full: {kind: full, lr: %s}}
compare: {metric: macro_f1}
register: {margin: 0.01}
"""

FILES = {
    "stages.py": STAGES,
    "dvc.yaml": DAG,
    "params.yaml": PARAMS % "0.9",
    "rows.csv": "train rows\ntest rows\n",
    ".gitignore": "/data/\n/models/\n",
    ".dvcignore": "__pycache__/\n",
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
}


class Project:
    """The project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str, **environment: str) -> str:
        return self.call("git", *arguments, **environment)

    def call(self, *command: str, **environment: str) -> str:
        """Run to the end and return what it printed; a failure is one of the test."""
        variables = {**os.environ, **environment}
        done = subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def dvc(self, *arguments: str) -> str:
        return self.call(sys.executable, "-m", "dvc", *arguments)

    def gto(self, *arguments: str, **environment: str) -> str:
        return self.call(str(Path(sys.executable).with_name("gto")), *arguments, **environment)

    def reproduce(self) -> None:
        """`dvc repro`, without the second that its process takes to start."""
        from dvc.repo import Repo

        # DVC runs a stage's command relative to where it was called itself.
        with contextlib.chdir(self.folder), Repo(str(self.folder)) as repo:
            repo.reproduce(all_pipelines=True)

    def train(self, score: str, *, rows: str | None = None) -> None:
        """Make a model with this test score, after other rows of data where given."""
        (self.folder / "params.yaml").write_text(PARAMS % score)
        if rows is not None:
            (self.folder / "rows.csv").write_text(rows)
        self.reproduce()

    def set(self, **sections: str) -> None:
        """Replace whole lines of params.yaml."""
        path = self.folder / "params.yaml"
        lines = [
            next((f"{key}: {value}" for key, value in sections.items() if line.startswith(f"{key}:")), line)
            for line in path.read_text().splitlines()
        ]
        path.write_text("\n".join(lines) + "\n")

    def tags(self) -> list[str]:
        return self.git("tag", "--sort=creatordate").splitlines()

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def quiet_environment(home: Path) -> Mapping[str, str]:
    """No configuration but the project's; git cannot make up who the user is."""
    return {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def make_project(folder: Path, *, commit: bool = True) -> Project:
    """Return a project that has run, with everything that git should hold committed."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    project = Project(folder)
    project.git("init", "--quiet", "--initial-branch=main")
    project.reproduce()
    if commit:
        project.git("add", "--all")
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        project.git(*who, "commit", "--quiet", "--message=Begin")
    return project
