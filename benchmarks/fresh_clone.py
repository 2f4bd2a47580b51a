"""A fresh clone of the project to run real commands in, and what they leave behind there."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil

ROOT = Path(__file__).parents[1]


class Clone:
    """A copy of the project in a git repository of its own, with a cache of its own and no git identity."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.first: dict[str, tuple[int, str]] = {}
        """Exit code and output of commands that ran here before; whoever ran them puts them in."""
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GIT_"))
            },
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "160",
        }

    def run(
        self, *command: str, timeout: float = 580, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone and return what it printed."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )

    def tritune(
        self, *arguments: str, timeout: float = 580, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "flows", *arguments, timeout=timeout, stdin=stdin)

    def start(
        self, *arguments: str, output: int | IO[str] = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a `tritune` command in a process group of its own, and do not wait for it.

        Args:
            output: Where it prints to.
            environment: Variables of its own.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "flows", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def set_params(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Edit params.yaml as a person would; `change` gets its content."""
        from ruamel.yaml import YAML

        yaml, path = YAML(), self.folder / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        change(content)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)

    def processes(self) -> dict[int, list[str]]:
        """Return the command line of all that runs in this folder or below, Prefect's server included."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(
                    self.folder.resolve()
                ):
                    found[process.pid] = process.cmdline()
        return found

    def users_files(self) -> dict[str, str]:
        """Return what is the user's: HEAD, index, and the hash of each file that git holds or would take."""
        state = {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name in _listed(self.folder)
            if (path := self.folder / name).is_file()
        }
        state["HEAD"] = (self.folder / ".git/HEAD").read_text(encoding="utf-8")
        state["commit"] = self.run("git", "rev-parse", "HEAD").stdout
        state["index"] = self.run("git", "ls-files", "--stage").stdout
        return state

    def half_done(self) -> list[str]:
        """Return what a command that was broken off leaves: work trees, and files not yet in their place."""
        trees = self.run("git", "worktree", "list", "--porcelain").stdout
        found = re.findall(r"(?m)^worktree (.*)$", trees)[1:]
        found += [str(path) for path in self.folder.glob(".dvc/tmp/tritune/retrain/project")]
        return found + [str(path) for path in self.folder.rglob("*.unfinished")]


def make_clone(folder: Path) -> Clone:
    """Copy the project's files as they are here, without outputs, and return a clone with one commit.

    Args:
        folder: An empty one; the clone is `folder / "my project"`, beside a home of its own.
    """
    clone = Clone(folder / "my project", folder / "home")
    for name in _listed(ROOT):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.folder / name)
    (folder / "home").mkdir()
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "start"]):
        clone.run("git", *command).check_returncode()
    return clone


def _listed(folder: Path) -> list[str]:
    """Return the paths that git holds or would take."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return list(filter(None, done.stdout.split("\0")))
