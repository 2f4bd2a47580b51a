"""The flow: every stage of dvc.yaml, side by side where they can be, then registration.

DVC decides whether a stage has work to do; Prefect decides when it runs, cancels, and shows it.
"""

import asyncio
import contextlib
import shutil
from pathlib import Path

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from flows import artifacts, summary
from flows.crashed import mark_crashed
from flows.execution import Execution, Runner, current
from flows.register import register
from flows.stage import stage
from flows.workspace import dead_flows, remember_flow, run_folder
from tritune.pipeline.dag import order_lock
from tritune.pipeline.remote_results import remote_name
from tritune.pipeline.reproduce import StageRunner
from tritune.settings.project import read_project

SECONDS_BETWEEN_LOOKS_FOR_CANCELLATION = 2.0


def _run_name() -> str:
    execution = current()
    source = read_project(execution.root / "params.yaml").data.source
    return artifacts.run_name(execution.stages, source=source)


@flow(name="finetune", flow_run_name=_run_name)  # type: ignore[untyped-decorator]
async def finetune() -> list[State] | State:
    """Bring every stage up to date, then register the model that was selected."""
    execution = current()
    folder = run_folder(execution.root, str(runtime.flow_run.id))
    await close_dead_runs(execution.root)
    async with get_client() as client:
        remember_flow(folder, api=str(client.api_url))
    fetch = bool(remote_name(execution.root))
    here = StageRunner(execution.root, receipts=folder, fetch=fetch, server=execution.server)
    execution.runner = await _by_pool(execution, here) if execution.pool else here
    if any(node.stale for node in execution.stages):
        await acreate_table_artifact(
            artifacts.plan_rows(execution.stages),
            key="plan",
            description=artifacts.plan_title(execution.stages),
        )
    futures: dict[str, PrefectFuture] = {}
    cancellation = asyncio.create_task(_stop_when_cancelled(execution))
    try:
        for node in execution.stages:
            needs = [futures[name] for name in node.needs]
            futures[node.name] = stage.with_options(name=node.kind).submit(node, wait_for=needs)
        # In a thread, so that this loop hears of Ctrl-C and cancellation.
        await asyncio.to_thread(wait, list(futures.values()))
        if any(outcome.state != "Cached" for outcome in execution.outcomes.values()):
            await asyncio.to_thread(order_lock, execution.root, execution.stages)
        if "select" in execution.outcomes and not execution.cancelled:
            futures["register"] = register.submit(wait_for=[futures["select"]])
            await asyncio.to_thread(wait, [futures["register"]])
    finally:
        cancellation.cancel()
        execution.runner.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if "compare" in execution.outcomes:
        await _publish_results(execution)
    if execution.cancelled:
        return Cancelled(message="cancelled; stages that were done are kept")
    return [future.state for future in futures.values()]


def side_by_side(workers: int) -> ThreadPoolTaskRunner:
    """Return the task runner. Training slots are taken in a stage's process; this bounds how many wait."""
    return ThreadPoolTaskRunner(max_workers=workers)


async def _by_pool(execution: Execution, here: StageRunner) -> Runner:
    from flows.pool import PoolRunner, deploy

    await asyncio.to_thread(deploy, execution.pool)
    return PoolRunner(execution.root, here, pool=execution.pool)


async def _publish_results(execution: Execution) -> None:
    root = execution.root
    publications = []
    if rows := summary.comparison_rows(root):
        publications.append(acreate_table_artifact(rows, key="comparison", description=summary.verdict(root)))
    if rows := artifacts.epoch_rows(root):
        publications.append(
            acreate_table_artifact(rows, key="learning-curves", description="Scores after each epoch")
        )
    registered = execution.registration.message if execution.registration is not None else None
    if text := artifacts.report_text(root, registered=registered):
        publications.append(
            acreate_markdown_artifact(text, key="report", description="The choice, and where the report is")
        )
    await asyncio.gather(*publications)


async def _stop_when_cancelled(execution: Execution) -> None:
    """Stop the stages when somebody cancels this flow run: no worker of Prefect's is there to do so."""
    # A retraining that is cancelled goes on until this flow, a part of it, ends.
    watched = [run_id for run_id in (runtime.flow_run.id, runtime.flow_run.parent_flow_run_id) if run_id]
    async with get_client() as client:
        while not execution.cancelled:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS_FOR_CANCELLATION)
            # A server that does not answer right now is no reason to stop.
            with contextlib.suppress(Exception):
                states = [(await client.read_flow_run(run_id)).state for run_id in watched]
                execution.cancelled = any(
                    state is not None and (state.is_cancelling() or state.is_cancelled()) for state in states
                )
    get_run_logger().info("cancelled; stopping the stages")
    assert execution.runner is not None
    await asyncio.to_thread(execution.runner.stop)


async def close_dead_runs(root: Path) -> None:
    """Mark runs whose process was killed as Crashed; they would be shown as running for ever."""
    async with get_client() as client:
        api = str(client.api_url)
        for flow_run_id, folder in dead_flows(root):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(mark_crashed, api, flow_run_id)
            shutil.rmtree(folder, ignore_errors=True)
