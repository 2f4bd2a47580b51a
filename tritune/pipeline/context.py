"""What a stage's body is given: its declared parameters, inputs, outputs and scratch space."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StageContext:
    """One run of one stage, as `tasks.STAGE.run` sees it.

    Only what dvc.yaml declares for the stage is reachable, so that nothing undeclared can
    change a result unnoticed.
    """

    stage: str
    """As in dvc.yaml, for example `train@partial-13`."""

    item: Mapping[str, str]
    """What the matrix varies: `method` and `seed` where the stage has them, else empty."""

    params: Mapping[str, Any]
    """Value of each declared parameter by its declared key (`train`, `method.partial`)."""

    inputs: Mapping[str, Path]
    """Path of each declared dependency, by the path as declared."""

    outputs: tuple[str, ...]
    """Paths of the declared outputs."""

    scratch: Path
    """Private folder that survives a kill and is dropped when an input changes. For checkpoints."""

    memos: Path = Path(".dvc/tmp/tritune/memos")
    """Folder that stages share, for what can be made again at any time. In the project."""

    notes: dict[str, Any] = field(default_factory=dict)
    """What the run's receipt says besides its outcome, for example `resumed_from_step`."""

    measurements: dict[str, Any] = field(default_factory=dict)
    """What differs from run to run (seconds, peak memory, host); written beside the outputs."""

    def input(self, path: str) -> Path:
        """Return a declared dependency, or a file inside one.

        Raises:
            KeyError: dvc.yaml does not declare it for this stage.
        """
        if not any(path == name or path.startswith(f"{name}/") for name in self.inputs):
            raise KeyError(f"{path} is not among the deps of {self.stage}: {sorted(self.inputs)}")
        return Path(path)

    def output_file(self, path: str) -> Path:
        """Return where to write a declared output that is a file; its folder exists."""
        target = self._staged(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def output_folder(self, path: str) -> Path:
        """Return where to write a declared output that is a folder; it exists."""
        target = self._staged(path)
        target.mkdir(parents=True, exist_ok=True)
        return target

    def _staged(self, path: str) -> Path:
        if path not in self.outputs:
            raise KeyError(f"{path} is not among the outs of {self.stage}: {list(self.outputs)}")
        return self.scratch / "outputs" / path
