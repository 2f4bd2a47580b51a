"""`tritune doctor`: one line per check of the project and its surroundings, with the next move."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from flows.home import answers, prepare_environment, running_server, server_record
from flows.workspace import running
from tritune.pipeline.checkup import Check, checkup
from tritune.pipeline.integrity import cached_objects, users_of

COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(*, full: bool) -> int:
    """Print every check as it is done, and return the exit code: 1 if there is a problem.

    Args:
        full: Read every object of DVC's cache and compare it with its hash.
    """
    root = Path.cwd()
    console = Console(file=sys.stdout)
    problems = 0
    for check in checks(root, console, full=full):
        line = Text.assemble(f"{check.name}: ", (check.verdict, COLORS[check.verdict]), f"  {check.text}")
        console.print(line, soft_wrap=True)
        problems += check.verdict == "problem"
    return 1 if problems else 0


def checks(root: Path, console: Console, *, full: bool) -> Iterator[Check]:
    """Yield all checks, the quick ones first."""
    yield from checkup(root)
    yield _prefect(root)
    yield _run(root)
    if full:
        yield _hashes(root, console)


def _prefect(root: Path) -> Check:
    prepare_environment(root, find_server=False)
    if url := os.environ.get("PREFECT_API_URL"):
        if answers(url):
            return Check("Prefect", "ok", f"the server at {url} answers")
        return Check(
            "Prefect",
            "problem",
            f"PREFECT_API_URL is {url}, where no server answers; start it, or `unset PREFECT_API_URL`: a run "
            "brings its own",
        )
    if url := running_server():
        return Check("Prefect", "ok", f"the server of `tritune ui` at {url} answers")
    if server_record().is_file():
        return Check(
            "Prefect", "warning", f"`tritune ui` was killed; start it again, or remove {server_record()}"
        )
    return Check("Prefect", "ok", "no server is set: a run brings its own")


def _run(root: Path) -> Check:
    process = running(root)
    return Check("run", "ok", f"process {process} is at it" if process is not None else "none is going on")


def _hashes(root: Path, console: Console) -> Check:
    objects = cached_objects(root)
    broken = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading DVC's cache", total=sum(one.size for one in objects))
        for one in objects:
            if not one.sound:
                broken.append(one)
            progress.advance(bar, one.size)
    if not broken:
        return Check("hashes", "ok", f"all {len(objects)} objects of DVC's cache are what they say")
    named = []
    for one in broken:
        users = ", ".join(users_of(root, one.oid)[:3])
        named.append(f"{one.path}" + (f" (of {users})" if users else ""))
    return Check(
        "hashes",
        "problem",
        f"damaged in DVC's cache: {'; '.join(named)}; remove these files, then take them from the remote "
        "with `dvc fetch --all-tags`, or make them again with `tritune run`",
    )
