"""A retraining's decision, told everywhere: in git for good, in Prefect as an artifact and an event."""

import contextlib
import json
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.artifacts import as_markdown
from tritune.drift.report import DriftReport
from tritune.pipeline.decisions import Decision, record
from tritune.pipeline.registry import artifact_name

REFUSED = "Refused"
"""Name of the state where something that the user gave is wrong: exit code 2."""

USERS_ERROR = "users_error"
"""Key of a decision's details."""


def publish(root: Path, decision: Decision) -> State:
    """Record a decision and show it. Return the state that the flow ends in."""
    name = artifact_name(root)
    record(root, decision)
    about = f"\n\nVersion: {name} {decision.version}" if decision.version else ""
    details = json.dumps(decision.details, indent=2, sort_keys=True)
    # It is on record; a server that does not answer any more changes nothing about it.
    with contextlib.suppress(Exception):
        create_markdown_artifact(
            key="decision",
            markdown=f"**{decision.outcome}**: {as_markdown(decision.reason)}{about}"
            f"\n\n```json\n{details}\n```",
            description=f"{decision.outcome} {decision.version}".strip(),
        )
    emit_event(
        event=f"tritune.retrain.{decision.outcome.replace(' ', '-')}",
        resource={"prefect.resource.id": f"tritune.model.{name}", "prefect.resource.name": name},
        payload={"reason": decision.reason, "version": decision.version, "details": dict(decision.details)},
    )
    if decision.outcome == "failed":
        state = REFUSED if decision.details.get(USERS_ERROR) else "Failed"
        return Failed(name=state, message=decision.reason)
    state = "".join(word.capitalize() for word in decision.outcome.split())
    return Completed(name=state, message=decision.reason)


def show_drift(report: DriftReport) -> None:
    """Publish a drift report as a table."""
    create_table_artifact(
        key="drift",
        table=[
            {
                "kind": check.kind,
                "size": f"{check.size:.4f}",
                "unit": check.unit,
                "p, adjusted": f"{check.p:.4f}",
                "drift": "yes" if check.drift else "no",
            }
            for check in report.checks
        ],
        description=report.sentence,
    )
