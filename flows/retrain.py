"""The retrain flow: fetch, see what changed, train in a work tree of its own, and let the gate decide.

Every night ends in one decision (promoted, kept out, nothing new, failed) with its reason. The champion
changes only through the gate, and the user's files never.
"""

import asyncio
import tempfile
import traceback
from pathlib import Path

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from flows.artifacts import retraining_name
from flows.cli import project_root
from flows.decision import USERS_ERROR, publish, show_drift
from flows.finetune import close_dead_runs
from flows.gate import INGESTED, compare_versions
from flows.new_data import look_at_data
from flows.sources import check_sources
from flows.subflow import CancelledRun, bring_all_up_to_date
from flows.workspace import only_retraining, remember_flow, run_folder
from tritune.drift.report import DriftReport
from tritune.errors import InputError
from tritune.pipeline import registry
from tritune.pipeline.changes import WORDS, changes_since
from tritune.pipeline.dag import read_stages
from tritune.pipeline.decisions import Decision, read_decisions
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.registered_version import CHAMPION, RegisteredVersion
from tritune.pipeline.reproduce import StageRunner
from tritune.pipeline.version_outputs import content_at, output_of
from tritune.pipeline.work_tree import TREE, close_work_tree, open_work_tree
from tritune.settings.project import read_project

step = task(cache_policy=NO_CACHE, persist_result=False)


def _run_name() -> str:
    try:
        source = read_project(project_root(Path.cwd()) / "params.yaml").data.source
    except InputError:
        return "retrain"  # the night itself says what is wrong
    return retraining_name(source)


@flow(name="retrain", flow_run_name=_run_name)  # type: ignore[untyped-decorator]
def retrain() -> State:
    """Retrain on what the sources hold now, and put the result in the champion's place if it may."""
    root = project_root(Path.cwd())
    with only_retraining(root):
        asyncio.run(close_dead_runs(root / TREE))
        asyncio.run(close_dead_runs(root))
        close_work_tree(root)
        folder = run_folder(root, str(runtime.flow_run.id))
        with get_client(sync_client=True) as client:
            remember_flow(folder, api=str(client.api_url))
        try:
            return publish(root, _decision(root))
        except CancelledRun:
            return Cancelled(message="cancelled; the champion stays, and a training goes on where it was")
        finally:
            close_work_tree(root)
            (folder / "flow.json").unlink(missing_ok=True)


def _decision(root: Path) -> Decision:
    try:
        return _night(root, open_work_tree(root))
    except InputError as error:
        return Decision("failed", _one_line(str(error)), details={USERS_ERROR: True})
    except StageFailed as failure:
        details = {"stage": failure.stage, "error": failure.error, USERS_ERROR: failure.users_error}
        return Decision("failed", _one_line(f"{failure.stage}: {failure.summary}"), details=details)
    except CancelledRun:
        raise
    except Exception as error:
        get_run_logger().error(traceback.format_exc())
        reason = _one_line(f"{type(error).__name__}: {error}")
        return Decision("failed", reason, details={"traceback": traceback.format_exc()})


def _night(root: Path, tree: Path) -> Decision:
    versions = registry.versions(tree)
    champion = next((version for version in versions if CHAMPION in version.stages), None)
    if champion is None:
        return _first(bring_all_up_to_date(tree, forced={}))
    newest = versions[0]
    (tree / "dvc.lock").write_bytes(content_at(tree, newest, "dvc.lock"))
    fetch(tree)
    changes = look_for_changes(tree, newest)
    if not changes:
        return _not_again(root, tree, newest, champion, since=f"nothing changed since {newest.version}")
    drift = None
    if WORDS["data/raw"] in changes:
        drift = compare_data(tree, champion)
        if changes == [WORDS["data/raw"]] and not drift.calls_for_training:
            reason = f"the data changed, but hold {drift.sentence}"
            return Decision("nothing new", reason, details={"drift": drift.as_json()})
    registered = bring_all_up_to_date(tree, forced={})
    challenger = next(one for one in registry.versions(tree) if one.version == registered.version)
    why = f"trained because of {', '.join(changes[:5])}{' and more' * (len(changes) > 5)}"
    why += f" ({drift.sentence})" if drift else ""
    if not registered.created:
        return _not_again(root, tree, challenger, champion, since=f"the same model came out again, {why}")
    return _through_the_gate(root, tree, challenger, champion, why=why, drift=drift)


def _first(registered: registry.Registration) -> Decision:
    if registered.stage == CHAMPION:
        reason = f"{registered.version} is the champion, as there was none to replace"
        return Decision("promoted", reason, registered.version)
    return Decision("nothing new", registered.message, registered.version)


def _not_again(
    root: Path, tree: Path, version: RegisteredVersion, champion: RegisteredVersion, *, since: str
) -> Decision:
    """Judge a version that no night has judged: one that `tritune run` made, or a killed night."""
    if version.version == champion.version:
        return Decision("nothing new", f"{since}, the champion")
    judged = any(decision.version == version.version for decision in read_decisions(root))
    if judged or registry.has_been(tree, version.version):
        return Decision("nothing new", f"{since}, which has been judged before")
    return _through_the_gate(
        root, tree, version, champion, why=f"{since}, which was not judged yet", drift=None
    )


def _through_the_gate(
    root: Path,
    tree: Path,
    challenger: RegisteredVersion,
    champion: RegisteredVersion,
    *,
    why: str,
    drift: DriftReport | None,
) -> Decision:
    passed, reason, numbers = gate(tree, champion, challenger)
    reason = f"{reason}; {why}"
    details = {"gate": numbers, "champion": champion.version, "drift": drift.as_json() if drift else None}
    if passed:
        promotion = registry.promote(root, challenger.version, because=reason, instead_of=champion.version)
        if promotion.replaced == challenger.version:
            return Decision("nothing new", promotion.message, challenger.version, details)
        if not promotion.changed:
            # Without the version, so that the next night judges it.
            return Decision("kept out", promotion.message, details=details)
    return Decision("promoted" if passed else "kept out", reason, challenger.version, details)


@step(task_run_name="fetch")  # type: ignore[untyped-decorator]
def fetch(tree: Path) -> None:
    """Bring the data and the base model in as they are now, whatever DVC remembers of their names."""
    check_sources(read_project(tree / "params.yaml"), root=tree)
    _bring_up_to_date(tree, "fetch", force=True)


@step(task_run_name="look for changes")  # type: ignore[untyped-decorator]
def look_for_changes(tree: Path, newest: RegisteredVersion) -> list[str]:
    """Return what changed since the newest version was made; empty: nothing."""
    return changes_since(tree, content_at(tree, newest, "dvc.lock"))


@step(task_run_name="compare data")  # type: ignore[untyped-decorator]
def compare_data(tree: Path, champion: RegisteredVersion) -> DriftReport:
    """Check the new data, and return how they differ from the champion's."""
    _bring_up_to_date(tree, "ingest")
    report = look_at_data(tree, output_of(tree, champion, INGESTED), name=champion.version)
    get_run_logger().info(report.sentence)
    show_drift(report)
    return report


@step(task_run_name="gate")  # type: ignore[untyped-decorator]
def gate(
    tree: Path, champion: RegisteredVersion, challenger: RegisteredVersion
) -> tuple[bool, str, dict[str, object]]:
    """Return whether the challenger may take the champion's place, why, and the numbers."""
    with tempfile.TemporaryDirectory(dir=tree / ".dvc/tmp") as work:
        verdict = compare_versions(tree, champion=champion, challenger=challenger, work=Path(work))
    get_run_logger().info(verdict.reason)
    return verdict.promote, verdict.reason, dict(verdict.numbers)


def _bring_up_to_date(tree: Path, name: str, *, force: bool = False) -> None:
    stage = next((stage for stage in read_stages(tree) if stage.name == name), None)
    if stage is None:
        raise InputError(f"dvc.yaml: there is no stage {name}, which a retraining begins with")
    runner = StageRunner(tree, receipts=run_folder(tree, name))
    try:
        runner.bring_up_to_date(stage, force=force, emit=get_run_logger().info)
    finally:
        runner.stop()


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
