"""A toy project: the real command, flow, adapter and guard around bodies that take milliseconds."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


DAG = """\
stages:
  prepare:
    cmd: python -m tasks prepare
    deps: [tasks/prepare.py]
    params: [tokenize]
    outs: [data/tokens]
    meta: {provenance: false}
  train:
    matrix: {method: "${methods}", seed: "${seeds}"}
    cmd: python -m tasks train --method ${item.method} --seed ${item.seed}
    deps: [tasks/train.py, data/tokens]
    params: [train, compute, "method.${item.method}"]
    outs: ["checkpoints/${item.method}-${item.seed}"]
    meta: {resource: training}
  evaluate:
    matrix: {method: "${methods}", seed: "${seeds}"}
    cmd: python -m tasks evaluate --method ${item.method} --seed ${item.seed}
    deps: [tasks/evaluate.py, "checkpoints/${item.method}-${item.seed}"]
    outs: ["evaluations/${item.method}-${item.seed}.json"]
    metrics: ["metrics/${item.method}-${item.seed}.json": {cache: false}]
  compare:
    cmd: python -m tasks compare
    deps: [tasks/compare.py, metrics]
    params: [methods, seeds]
    outs: [results/table.txt]
    metrics: [results/comparison.json: {cache: false}]
"""

PARAMS = """\
task: text_classification
data: {source: "hub:somebody/something@1234567"}
model: {source: nowhere}
tokenize: {max_length: 7}
methods: [full, partial, adaptive]
seeds: [13]
method:
  full: {kind: full, lr: 1e-2}
  partial: {kind: partial, freeze_layers: 2, lr: 0.1}
  adaptive: {kind: adaptive, decay: 0.9, lr: 0.5}
train: {batch_size: 20, weight_decay: 0.1}
compute: {threads: 1}
"""

STAGES = [
    "prepare",
    *(f"{kind}@{method}-13" for kind in ("train", "evaluate") for method in ("full", "partial", "adaptive")),
    "compare",
]


class Toy:
    """A toy project in a folder of its own, and ways to run it as a user would."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)

    def start(self, *command: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *command: str, **environment: str) -> tuple[int, str]:
        """Run to the end; return exit code and everything printed."""
        process = self.start(*command, **environment)
        try:
            # Below pytest's own limit, and long: on a machine with much other work a run takes minutes.
            output, _ = process.communicate(timeout=500)
        finally:
            process.kill()
        return process.returncode, output

    def tritune(self, *arguments: str, **environment: str) -> tuple[int, str]:
        return self.call(sys.executable, "-m", "flows", *arguments, **environment)

    def start_run(self, **environment: str) -> subprocess.Popen:
        return self.start(sys.executable, "-m", "flows", "run", **environment)

    def dvc(self, *arguments: str, **environment: str) -> tuple[int, str]:
        return self.call(sys.executable, "-m", "dvc", *arguments, **environment)

    def change(self, section: str, **values: Any) -> None:
        """Change keys of a section of params.yaml; `section` may be `method.full`."""
        yaml, path = YAML(), self.folder / "params.yaml"
        yaml.preserve_quotes = True
        content = yaml.load(path.read_text())
        target = content
        for key in section.split("."):
            target = target[key]
        target.update(values)
        with path.open("w") as file:
            yaml.dump(content, file)

    def stale(self) -> set[str]:
        """What DVC calls out of date."""
        return set(json.loads(self.dvc("status", "--json")[1]))

    def checkpoints(self) -> dict[str, bytes]:
        return {path.parent.name: path.read_bytes() for path in self.folder.glob("checkpoints/*/model.json")}

    def scratch_step(self, stage: str) -> int:
        """The step of the last checkpoint of a training that has not ended."""
        for path in self.folder.glob(f".dvc/tmp/tritune/scratch/{stage}/*/checkpoint.json"):
            with contextlib.suppress(OSError, json.JSONDecodeError):
                return int(json.loads(path.read_text())["step"])
        return 0

    def processes(self) -> list[int]:
        """Every process that works in this project: DVC's, stages', and what those started."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.folder):
                    found.append(process.pid)
        return found


def states(output: str) -> dict[str, str]:
    """Which state the terminal showed for each stage."""
    words = [line.split() for line in output.splitlines()]
    known = {"Cached", "Restored", "Completed", "Failed", "NotReady"}
    return {line[0]: line[1] for line in words if len(line) > 1 and line[1] in known and line[0] in STAGES}


def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def make_toy(folder: Path, environment: Mapping[str, str]) -> Toy:
    (folder / "tasks").mkdir(parents=True)
    shutil.copy(ROOT / "tasks/__main__.py", folder / "tasks/__main__.py")
    (folder / "tasks/__init__.py").write_text("")
    for stage in ("prepare", "train", "evaluate", "compare"):
        (folder / f"tasks/{stage}.py").write_text(f"from toy_stages import {stage} as run\n")
    (folder / "dvc.yaml").write_text(DAG)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / ".dvcignore").write_text("__pycache__/\n")
    toy = Toy(folder, environment)
    assert toy.call("git", "init", "-q")[0] == 0
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (folder / ".dvc/.gitignore").write_text("/tmp\n/cache\n/config.local\n")
    return toy


def toy_environment(home: Path) -> dict[str, str]:
    """The environment of a user without git identity whose shell has ours activated."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GIT_"))}
    return {
        **kept,
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
        "COLUMNS": "160",
    }
