"""`tritune retrain`: one retraining now, as a schedule would start it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.decisions import Decision, read_decisions
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.registry import artifact_name
from tritune.pipeline.work_tree import TREE
from tritune.settings.project import read_project


def retrain_now() -> int:
    """Retrain, print the decision and return the exit code.

    Raises:
        InputError: Another retraining is going on, or this is no project that could be retrained.
    """
    from flows.home import prepare_environment
    from flows.own_server import begin_server
    from flows.watcher import watch
    from flows.workspace import only_retraining

    root = Path.cwd()
    check_dvc_folder(root)
    read_project(root / "params.yaml")
    artifact_name(root)
    with only_retraining(root):
        pass  # told before Prefect loads; the flow itself holds the lock
    prepare_environment(root)
    watch(root, root / TREE)
    until_ready = begin_server()
    from flows.decision import REFUSED
    from flows.retrain import retrain

    known = len(read_decisions(root))
    try:
        until_ready()
        state = retrain(return_state=True)
    except Exception as error:
        # Without its server Prefect cannot report the end, but the night may have come to a decision.
        decisions = read_decisions(root)
        return _told_without_prefect(decisions[: len(decisions) - known], error)
    if isinstance(error := state.result(raise_on_failure=False), InputError):
        raise error
    if state.is_completed():
        print(f"{_words(str(state.name))}: {state.message}", flush=True)
        return 0
    print(f"error: {state.message}", file=sys.stderr)
    return 2 if state.name == REFUSED else 1


def _told_without_prefect(decided: Sequence[Decision], error: Exception) -> int:
    """Tell what a night decided of which Prefect could not report the end; return the exit code."""
    if not decided:
        print(f"error: Prefect could not start, or stopped answering: {error}", file=sys.stderr)
        print("the champion stays, and a training goes on where it was: tritune retrain", file=sys.stderr)
        return 1
    (decision,) = decided
    print(f"{decision.outcome}: {decision.reason}", flush=True)
    print(f"error: Prefect could not report the night: {error}", file=sys.stderr)
    return 1


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
