"""A computation in a process apart: it waits for a place as trainings do, and ends with this process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritune.pipeline import supervisor
from tritune.pipeline.guard import WORK
from tritune.pipeline.locks import one_of, training_slots


def run_apart(
    module: str, *arguments: str, project: Path, compute: Mapping[str, Any]
) -> subprocess.CompletedProcess[str]:
    """Return how `python -m MODULE` ended, with what it printed.

    Args:
        module: Calls `end_with_supervisor` first, so that it does not outlive a killed flow.
        project: Where it runs, and whose places it takes turns on.
        compute: As in params.yaml; threads and device say how many places there are.
    """
    slots = training_slots(
        threads=int(compute.get("threads", 1)),
        device=compute.get("device", "auto"),
        folder=project / WORK / "slots",
    )
    with one_of(slots) as slot:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=project,
            env={**os.environ, **slot.environment, supervisor.VARIABLE: supervisor.signature()},
            capture_output=True,
            text=True,
            check=False,
        )
