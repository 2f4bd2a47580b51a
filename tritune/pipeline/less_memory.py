"""What would make a stage of a project need less memory, in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.settings.project import read_project
from tritune.training.memory import smaller


def less_memory(stage: str, meta: Mapping[str, Any], *, root: Path) -> str:
    """Return what would make a stage of the project in `root` need less memory, as the end of a sentence.

    Args:
        stage: Its name.
        meta: What dvc.yaml says of it beside what DVC reads.
    """
    if meta.get("resource") != "training":
        return "end other programs, and run again"
    if stage.startswith("evaluate@"):  # takes a training's place, and trains nothing
        return "end other programs, and run again, or set tokenize.max_length lower"
    try:
        project = read_project(root / "params.yaml")
    except InputError:  # edited meanwhile; how the process ended has to be told all the same
        return "make the training smaller: `tritune estimate` tells what fits"
    return smaller(project.train, project.compute)
