"""`tritune prune`: what the project holds that nothing needs any more, shown first and removed by --yes."""

import sys
from pathlib import Path

from rich.console import Console

from flows.workspace import only_retraining, only_run
from tritune.pipeline.leftovers import Leftovers, find_leftovers, remove_leftovers

TITLES = {
    "result": "results that no stage names",
    "lock entry": "entries of dvc.lock that no stage names",
    "measurement": "measurements of stages that are no more",
    "scratch": "what stopped trainings left",
    "memo": "stored outputs of frozen layers, which can be made again",
    "work tree": "work trees that a killed verification or retraining left",
    "cache": "DVC's cache",
}


def prune(*, yes: bool) -> None:
    """Say what can go and how large it is; remove it if `yes`.

    Raises:
        InputError: A run or a retraining is going on, or the pipeline cannot be read.
    """
    root = Path.cwd()
    console = Console(file=sys.stdout)
    with only_run(root), only_retraining(root):
        leftovers = find_leftovers(root)
        for line in listing(leftovers):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not leftovers.found:
            return
        size = readable(sum(one.size for one in leftovers.found))
        if yes:
            remove_leftovers(root, leftovers)
            console.print(f"\nremoved: {size}", highlight=False)
        else:
            console.print(f"\n{size} can go; nothing is removed yet: tritune prune --yes", highlight=False)


def listing(leftovers: Leftovers) -> list[str]:
    """Return what can go, kind by kind."""
    lines = []
    for kind, title in TITLES.items():
        own = [one for one in leftovers.found if one.kind == kind]
        if own:
            lines.append(title)
            lines += [f"  {one.what}" + (f"  {readable(one.size)}" if one.size else "") for one in own]
    if any(one.kind == "result" for one in leftovers.found):
        lines.append("after this, `compare` may run again: it read these results too")
    if not leftovers.found:
        lines.append("there is nothing that can go: all of it is needed")
    if leftovers.note:
        lines.append(leftovers.note)
    return lines


def readable(size: float) -> str:
    """Return a number of bytes with a unit that keeps it short."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
