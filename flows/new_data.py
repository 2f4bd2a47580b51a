"""New data beside the champion's: sound or not, and how they differ, in a process of its own.

`python -m flows.new_data CHAMPION` writes the report to stdout; it loads the base model, which the flow's
process, hours long, should not keep.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.apart import run_apart
from tritune.drift.ingested import read_ingested
from tritune.drift.report import DriftReport, drift_report, report_from_json
from tritune.drift.soundness import unsound
from tritune.errors import InputError
from tritune.pipeline.supervisor import end_with_supervisor
from tritune.settings.project import read_project


def look_at_data(tree: Path, champion: Path, *, name: str) -> DriftReport:
    """Return how the project's ingested data differ from the champion's.

    Args:
        tree: The project; the stage `ingest` is up to date.
        champion: Its `data/ingested`.
        name: Of the champion.

    Raises:
        InputError: The new data look broken.
    """
    if sentence := unsound(read_ingested(tree / "data/ingested"), read_ingested(champion), name=name):
        raise InputError(sentence)
    compute = read_project(tree / "params.yaml").compute.model_dump()
    done = run_apart("flows.new_data", str(champion.resolve()), project=tree, compute=compute)
    if done.returncode != 0:
        raise RuntimeError(f"the data could not be compared:\n{done.stderr.strip()}")
    return report_from_json(json.loads(done.stdout.splitlines()[-1]))


def main(arguments: Sequence[str]) -> int:
    end_with_supervisor()
    from tritune.compute import prepare_torch
    from tritune.drift.embedding import Embedder

    project = read_project(Path("params.yaml"))
    length = project.tokenize.length_for(project.task)
    embed = Embedder(Path("base"), device=prepare_torch(project.compute), max_length=length)
    report = drift_report(
        read_ingested(Path(arguments[0])), read_ingested(Path("data/ingested")), embed=embed
    )
    print(json.dumps(report.as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
