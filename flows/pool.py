"""Stages that need a place to train go to the workers of a Prefect work pool; the others run here.

Only Prefect's server and DVC's remote are shared. What a worker made comes back by DVC's run-cache, so that
dvc.lock is the one that this machine alone would have written.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException
from prefect.flows import EntrypointType
from prefect.states import Cancelling, Crashed

from flows.pool_stage import FACTS, LOG, REFUSED
from flows.pool_stage import stage as stage_flow
from tritune.errors import InputError
from tritune.pipeline.dag import Stage
from tritune.pipeline.identity import identity_of
from tritune.pipeline.machine import MEASUREMENTS
from tritune.pipeline.outcome import Outcome, StageFailed
from tritune.pipeline.remote_results import told
from tritune.pipeline.reproduce import StageRunner
from tritune.pipeline.worker_tree import entries_to_send, files_to_send

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_BETWEEN_HEARTBEATS = 30
"""The shortest that Prefect allows."""

SECONDS_WITHOUT_SIGN = 100.0
"""A flow run of which nothing was heard for so long (three heartbeats and a little) is taken for dead."""

SECONDS_TO_START = 900.0
"""As long may a worker take to start a flow run: a cluster finds a machine and loads an image first."""

SECONDS_WITHOUT_SERVER = 900.0
"""As long is a server waited for that does not answer; trainings go on meanwhile."""

AT_ONCE = 4
"""Stages that DVC works on here at a time, while any number waits for workers."""

SECONDS_UNTIL_TOLD = 30.0
"""How long a stage may wait for a worker before the terminal says so."""

TRIES = 3
"""A stage whose worker dies so often is taken for what kills them."""


def make_pool(pool: str) -> None:
    """Make a work pool of processes; one that exists stays as it is, of whatever type."""
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))


def deploy(pool: str) -> None:
    """Tell the server how a worker of the pool starts a stage."""
    make_pool(pool)
    # `_sync`: Prefect would return a coroutine wherever an async flow is somewhere above.
    stage_flow.to_deployment(
        name=pool,
        work_pool_name=pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
        description="Bring one stage of a run up to date. Started by `tritune run --pool`.",
        job_variables={"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(SECONDS_BETWEEN_HEARTBEATS)}},
        _sync=True,
    ).apply(_sync=True)


class PoolRunner:
    """Brings stages up to date, here or by a worker, several at a time from different threads."""

    def __init__(self, root: Path, here: StageRunner, *, pool: str) -> None:
        """Args:
        here: Runs what needs no place to train, and restores what workers made.
        """
        self._root, self._here, self._pool = root, here, pool
        self._stopping = threading.Event()
        self._live: set[UUID] = set()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._sharing = threading.Lock()
        self._shared: set[str] = set()

    def bring_up_to_date(
        self, stage: Stage, *, force: bool = False, emit: Callable[[str], None] = print
    ) -> Outcome:
        """Let DVC restore a stage, or have it run: here, or by a worker where it needs a place to train.

        Raises:
            StageFailed: It failed, was stopped, or its result did not arrive.
        """
        try:
            if force or stage.meta.get("resource") != "training":
                with self._places:
                    return self._here.bring_up_to_date(stage, force=force, emit=emit)
            return self._find_or_train(stage, emit)
        except InputError as error:
            raise StageFailed(stage.name, str(error), users_error=True) from None
        except (PrefectException, httpx.HTTPError) as error:
            raise StageFailed(stage.name, f"Prefect's server did not take it: {told(error)}") from error

    def _find_or_train(self, stage: Stage, emit: Callable[[str], None]) -> Outcome:
        if found := self._restored(stage, emit):
            return found
        for need in stage.needs:
            self._share(need)
        identity = identity_of(stage.name, root=self._root)
        with get_client(sync_client=True) as client:
            outcome = self._by_worker(client, stage, identity.recorded, emit)
        if self._restored(stage, emit) is None:
            raise StageFailed(stage.name, "the worker is done, but its result is not in DVC's remote")
        return Outcome(stage.name, outcome.state, outcome.message, identity.key, outcome.warnings)

    def _restored(self, stage: Stage, emit: Callable[[str], None]) -> Outcome | None:
        """Bring a stage up to date if its result is here or in DVC's remote."""
        with self._places:
            if (found := self._here.find_result(stage.name, emit)) == "nowhere":
                return None
            return self._here.bring_up_to_date(stage, emit=emit, found=found)

    def stop(self) -> None:
        """End what runs here, and have Prefect cancel what workers do. Returns when nothing is left here."""
        self._stopping.set()
        if self._live:
            with get_client(sync_client=True) as client:
                for run_id in list(self._live):
                    _cancel(client, run_id)
        self._here.stop()

    def _share(self, stage: str) -> None:
        with self._sharing:
            if stage not in self._shared:
                with self._places:
                    self._here.share_result(stage)
                self._shared.add(stage)

    def _by_worker(
        self,
        client: SyncPrefectClient,
        stage: Stage,
        recorded: Mapping[str, Any],
        emit: Callable[[str], None],
    ) -> Outcome:
        parameters = {
            "name": stage.name,
            "recorded": recorded,
            "files": files_to_send(self._root),
            "entries": entries_to_send(self._root, stage.needs),
        }
        for _ in range(TRIES):
            if self._stopping.is_set():
                raise StageFailed(stage.name, "stopped", stopped=True)
            run = run_deployment(
                f"stage/{self._pool}", flow_run_name=stage.name, parameters=parameters, timeout=0, _sync=True
            )
            self._live.add(run.id)
            try:
                run = self._wait(client, run, stage.name, emit)
            finally:
                self._live.discard(run.id)
                if self._stopping.is_set():
                    _cancel(client, run.id)  # `stop` does not see one that was given out meanwhile
            assert run.state is not None
            if not run.state.is_crashed():
                return self._outcome(client, run, run.state, stage.name)
            emit(f"its worker died ({run.state.message}); another one takes it")
        raise StageFailed(stage.name, f"its worker died {TRIES} times: {run.state.message}")

    def _wait(
        self, client: SyncPrefectClient, run: FlowRun, stage: str, emit: Callable[[str], None]
    ) -> FlowRun:
        """Pass the lines of a worker's flow run on until it ends, or until it is taken for dead."""
        lines, signs, said = 0, ("", ""), False
        began = heard = answered = time.monotonic()
        while True:
            if self._stopping.wait(SECONDS_BETWEEN_LOOKS):
                raise StageFailed(stage, "stopped", stopped=True)
            try:
                run = client.read_flow_run(run.id)
                logs = client.read_logs(LogFilter(flow_run_id={"any_": [run.id]}), offset=lines)
                assert run.state is not None
                beat = "" if run.state.is_scheduled() else _last_heartbeat(client, run.id)
            except ObjectNotFound:
                raise  # somebody deleted it
            except (PrefectException, httpx.HTTPError):
                heard = time.monotonic()  # which tells nothing of the worker
                if heard - answered > SECONDS_WITHOUT_SERVER:
                    raise
                continue
            now = answered = time.monotonic()
            for entry in logs:
                if entry.name.endswith(f".{LOG}"):
                    emit(entry.message)
            lines += len(logs)
            if run.state.is_final():
                return run
            if run.state.is_scheduled():
                heard = now
                if now - began > SECONDS_UNTIL_TOLD and not said:
                    emit(
                        f"waits for a worker; in a clone on another machine: tritune work --pool {self._pool}"
                    )
                    said = True
                continue
            latest = (str(run.state.id), beat)
            if latest != signs or logs:
                signs, heard = latest, now
            patience = SECONDS_TO_START if run.state.is_pending() else SECONDS_WITHOUT_SIGN
            if now - heard > patience:
                died = Crashed(message=f"no sign of life for {patience:.0f} seconds")
                client.set_flow_run_state(run.id, died, force=True)

    def _outcome(self, client: SyncPrefectClient, run: FlowRun, state: State, stage: str) -> Outcome:
        if state.is_cancelled():
            raise StageFailed(stage, "cancelled in Prefect", stopped=True)
        if not state.is_completed():
            raise StageFailed(stage, str(state.message), users_error=state.name == REFUSED)
        where = run.labels.get("prefect.worker.name", "a worker")
        facts = _facts(client, run.id)
        warnings = tuple(str(value) for what, value in facts if what == "warning")
        if measured := {what: value for what, value in facts if what != "warning"}:
            path = self._root / MEASUREMENTS / f"{stage}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        name = state.name if state.name in {"Cached", "Restored"} else "Completed"
        return Outcome(stage, name, f"{state.message} on {where}", None, warnings)  # type: ignore[arg-type]


def _cancel(client: SyncPrefectClient, run_id: UUID) -> None:
    with contextlib.suppress(Exception):  # the server is gone; a worker's run ends by itself
        client.set_flow_run_state(run_id, Cancelling())


def _last_heartbeat(client: SyncPrefectClient, run_id: UUID) -> str:
    """Return the id of the last heartbeat that the server has of a flow run; empty: none yet."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
    }
    found = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1}).json()["events"]
    return str(found[0]["id"]) if found else ""


def _facts(client: SyncPrefectClient, run_id: UUID) -> list[tuple[str, Any]]:
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(key={"any_": [FACTS]}),
        flow_run_filter=FlowRunFilter(id={"any_": [run_id]}),
    )
    rows = json.loads(str(found[0].data)) if found else []
    return [(row["what"], json.loads(row["value"])) for row in rows]
