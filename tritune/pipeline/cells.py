"""The pipeline of `tritune advise` in its folder: which cells it has, a stage for each size and seed."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tritune.settings.project import read_yaml

FOLDER = Path("advise")
PIPELINE = "advise/dvc.yaml"
TEMPLATE = Path("tasks/advise/pipeline.yaml")
LIST = FOLDER / "cells.yaml"
HEADING = "# Written by `tritune advise`: the cells that advise/dvc.yaml has, a size and a seed each.\n"


@dataclass(frozen=True)
class Cell:
    """One size with one seed, all methods."""

    size: str
    """A number of examples, or `all`."""

    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.size}-{self.seed}"

    @property
    def stage(self) -> str:
        """Its name in the pipeline."""
        return f"learn@{self.name}"


def read_cells(root: Path) -> list[Cell]:
    """Return the cells that the pipeline has; none where there is no pipeline."""
    if not (root / LIST).is_file():
        return []
    listed = read_yaml(root / LIST).get("cells") or {}
    return [Cell(str(one["size"]), int(one["seed"])) for one in listed.values()]


def write_pipeline(root: Path, cells: Collection[Cell]) -> None:
    """Give the pipeline these cells. Nothing is touched that is as it should be."""
    numbered = sorted(cells, key=lambda cell: (cell.size == "all", cell.size.zfill(12), cell.seed))
    lines = [f"  {cell.name}: {{size: {cell.size}, seed: {cell.seed}}}\n" for cell in numbered]
    _write(root / LIST, HEADING + "cells:\n" + "".join(lines))
    _write(root / PIPELINE, (root / TEMPLATE).read_text(encoding="utf-8"))


def take_away(root: Path, *, kept: Collection[Cell]) -> None:
    """Leave nothing but these cells: others lack their result, or have one of other settings.

    What was computed once is still in DVC's cache. Without a cell there is no pipeline either.
    """
    names = {cell.name for cell in kept}
    for folder in (root / FOLDER / "cells").glob("*-*"):
        if folder.name not in names:
            shutil.rmtree(folder)
    if kept:
        write_pipeline(root, kept)
    else:
        for path in (root / PIPELINE, root / LIST):
            path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Write a file whole, since another DVC process may be reading it; not at all if it is the same."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
