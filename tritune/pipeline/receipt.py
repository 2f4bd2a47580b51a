"""What a stage's process tells the flow that started DVC: that it ran, how it ended, and its own error."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "TRITUNE_RECEIPTS"
"""Environment variable with the folder for receipts; unset when plain DVC runs the stage."""


@dataclass(frozen=True)
class Receipt:
    """One run of one stage's body."""

    stage: str
    key: str | None = None
    """DVC's run-cache key; None until the inputs are known."""

    exit_code: int | None = None
    """None while the process lives, or when it died without a word."""

    error: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Leave the receipt where the flow looks for it, if one asked for it."""
        if folder := os.environ.get(VARIABLE):
            path = Path(folder) / f"{self.stage}.json"
            aside = path.with_suffix(".tmp")
            aside.write_text(json.dumps(asdict(self)), encoding="utf-8")
            aside.replace(path)


def read_receipt(folder: Path, stage: str) -> Receipt | None:
    """Return the receipt of a stage, or None when its body did not start."""
    path = folder / f"{stage}.json"
    return Receipt(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
