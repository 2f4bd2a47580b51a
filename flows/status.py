"""`tritune status`: which stages are up to date, and why the others are not. From DVC alone."""

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.sources import stale_sources
from flows.workspace import running
from tritune.pipeline.dag import read_stages
from tritune.settings.project import read_project


def status() -> None:
    """Print one row per stage.

    Raises:
        InputError: params.yaml or the pipeline cannot be read.
    """
    root = Path.cwd()
    console = Console(file=sys.stdout)
    project = read_project(root / "params.yaml")
    process = running(root)
    stages = read_stages(root, forced=stale_sources(project, root=root), tolerate_busy=True)
    table = Table("stage", "state", "why", box=None, pad_edge=False)
    for stage in stages:
        state = "[yellow]stale[/yellow]" if stage.stale else "[green]up to date[/green]"
        table.add_row(stage.name, state, escape("; ".join(stage.reasons)))
    console.print(table)
    stale = sum(stage.stale for stage in stages)
    if process is not None:
        console.print(f"\na run is going on (process {process})", highlight=False)
    elif stale:
        console.print(f"\n{stale} of {len(stages)} may have work to do: tritune run", highlight=False)
    else:
        console.print(f"\nall {len(stages)} stages are up to date", highlight=False)
