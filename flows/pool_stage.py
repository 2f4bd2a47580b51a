"""The flow with which a worker of a pool brings one stage of another machine's run up to date.

The run sends parameters and the hashes of the stage's inputs; the data come and go by DVC's remote.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.cli import project_root
from tritune.errors import InputError
from tritune.pipeline.dag import Stage
from tritune.pipeline.locks import held
from tritune.pipeline.machine import MEASUREMENTS
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.reproduce import StageRunner
from tritune.pipeline.worker_tree import FOLDER, LOCK, check_same_inputs, open_worker_tree

PROJECT = "TRITUNE_PROJECT"
"""Environment variable with the worker's clone; unset, it is the folder that the flow starts in."""

REFUSED = "Refused"
"""Name of the state where something that the user gave is wrong."""

FACTS = "facts"
"""Key of the artifact with what a stage's run says beside its result: warnings, and what was measured."""

LOG = "stage"
"""Name of the log with the stage's own lines, among Prefect's."""

SECONDS_FOR_OTHERS = 7 * 24 * 3600.0
"""How long a stage may wait for the one before it in the same clone."""


@flow(name="stage", flow_run_name="{name}")  # type: ignore[untyped-decorator]
def stage(
    name: str, recorded: Mapping[str, Any], files: Mapping[str, str], entries: Mapping[str, Any]
) -> State:
    """Bring a stage up to date and leave its result in DVC's remote; the state's name says how.

    Args:
        name: As in dvc.yaml, for example `train@partial-13`.
        recorded: What it depends on, as dvc.lock would have it; anything else here is refused.
        files: Content of dvc.yaml, params.yaml and versions.yaml.
        entries: dvc.lock's entries of the stages that it needs.
    """
    clone = project_root(Path(os.environ.get(PROJECT, Path.cwd())))
    log = get_run_logger().getChild(LOG)
    receipts = clone / FOLDER / "receipts" / str(runtime.flow_run.id)
    try:
        with held(clone / LOCK, wait_seconds=SECONDS_FOR_OTHERS):
            tree = open_worker_tree(clone, files=files, entries=entries)
            os.chdir(tree)  # where DVC looks for dvc.yaml; this process does nothing else
            runner = StageRunner(tree, receipts=receipts, fetch=True)
            try:
                runner.fetch_inputs(name)
                identity = check_same_inputs(name, recorded, tree=tree, clone=clone)
                outcome = runner.bring_up_to_date(Stage(name, (), meta=identity.meta), emit=log.info)
                runner.share_result(name)
            finally:
                runner.stop()
            _publish_facts(tree, name, outcome.warnings, key=identity.key)
    except InputError as error:
        return Failed(name=REFUSED, message=str(error))
    except StageFailed as failure:
        log.error("%s", failure.error)
        return Failed(name=REFUSED if failure.users_error else "Failed", message=failure.error)
    finally:
        shutil.rmtree(receipts, ignore_errors=True)
    return Completed(name=outcome.state, message=outcome.message)


def _publish_facts(tree: Path, name: str, warnings: tuple[str, ...], *, key: str) -> None:
    path = tree / MEASUREMENTS / f"{name}.json"
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if measured.get("key") != key:
        measured = {}  # of an earlier run here, with other settings
    rows = [{"what": what, "value": json.dumps(value)} for what, value in measured.items()]
    rows += [{"what": "warning", "value": json.dumps(warning)} for warning in warnings]
    create_table_artifact(rows, key=FACTS, description="What was measured while the stage ran, and warnings")
