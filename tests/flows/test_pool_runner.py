"""What the run makes of what it hears, and does not hear, of a worker. Prefect's client is a stand-in."""

import datetime
import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, Log, State
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled

from flows import pool
from flows.pool import PoolRunner
from flows.pool_stage import REFUSED
from tritune.errors import InputError
from tritune.pipeline.dag import Stage
from tritune.pipeline.outcome import Outcome, StageFailed

NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
TRAIN = Stage("train@full-13", ("prepare",), meta={"resource": "training"})


class Here:
    """Stands for the runner of this machine."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.found = ["nowhere", "fetched"]

    def bring_up_to_date(self, stage: Stage, **_: Any) -> Outcome:
        self.done.append(f"bring {stage.name}")
        return Outcome(stage.name, "Restored", "outputs came from DVC's remote")

    def find_result(self, _stage: str, _emit: Any) -> str:
        return self.found.pop(0)

    def share_result(self, stage: str) -> None:
        self.done.append(f"share {stage}")

    def stop(self) -> None:
        self.done.append("stop")


class Client:
    """Stands for Prefect's client: a flow run's states one after the other, the last one for good."""

    def __init__(self, *states: State) -> None:
        self.states = list(states)
        self.heartbeats = ["first"]
        self.logs: list[Log] = []
        self.facts: list[dict[str, str]] = []
        self.set: list[State] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_flow_run(self, run_id: uuid.UUID) -> FlowRun:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return flow_run(state, run_id)

    def read_logs(self, _filter: Any, *, offset: int) -> list[Log]:
        return self.logs[offset:]

    def set_flow_run_state(self, _run_id: uuid.UUID, state: State, **_: Any) -> None:
        self.set.append(state)
        self.states = [state]

    def request(self, *_: Any, **__: Any) -> Any:
        beat = self.heartbeats.pop(0) if len(self.heartbeats) > 1 else self.heartbeats[0]
        return type("Answer", (), {"json": lambda _self: {"events": [{"id": beat}]}})()

    def read_artifacts(self, **_: Any) -> list[Any]:
        return [type("Artifact", (), {"data": json.dumps(self.facts)})()]


def flow_run(state: State, run_id: uuid.UUID | None = None) -> FlowRun:
    labels = {"prefect.worker.name": "attic-1"}
    return FlowRun(id=run_id or uuid.uuid4(), flow_id=uuid.uuid4(), state=state, labels=labels)


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def runner(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PoolRunner:
    monkeypatch.setattr(pool, "SECONDS_BETWEEN_LOOKS", 0.001)
    monkeypatch.setattr(pool, "SECONDS_WITHOUT_SIGN", 0.1)
    monkeypatch.setattr(pool, "files_to_send", lambda _root: {})
    monkeypatch.setattr(pool, "entries_to_send", lambda _root, _needs: {})
    monkeypatch.setattr(pool, "run_deployment", lambda *_, **__: flow_run(Scheduled()))
    identity = type("Identity", (), {"recorded": {}, "key": "0123"})()
    monkeypatch.setattr(pool, "identity_of", lambda _name, **_: identity)
    return PoolRunner(tmp_path, here, pool="gpus")  # type: ignore[arg-type]


def bring(runner: PoolRunner, client: Client, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Outcome:
    monkeypatch.setattr(pool, "get_client", lambda **_: client)
    return runner.bring_up_to_date(TRAIN, emit=said.append)


def test_only_what_needs_a_place_to_train_goes_to_a_worker(runner, here):
    assert runner.bring_up_to_date(Stage("compare", ())).state == "Restored"
    assert runner.bring_up_to_date(TRAIN, force=True).state == "Restored"
    here.found = ["here"]
    assert runner.bring_up_to_date(TRAIN).state == "Restored"
    assert here.done == ["bring compare", "bring train@full-13", "bring train@full-13"]


def test_what_a_worker_made_is_restored_here_with_its_measurements_and_warnings(
    runner, here, monkeypatch, tmp_path
):
    client = Client(Scheduled(), Running(), Completed(message="ran"))
    client.facts = [{"what": "seconds", "value": "1.5"}, {"what": "warning", "value": '"flat loss"'}]
    run_id = uuid.uuid4()
    for name in ("prefect.flow_runs", "prefect.flow_runs.stage"):
        client.logs.append(
            Log(
                name=name,
                level=20,
                message=f"by {name}",
                timestamp=NOON,
                flow_run_id=run_id,
            )
        )
    said: list[str] = []
    outcome = bring(runner, client, monkeypatch, said)
    assert outcome == Outcome(TRAIN.name, "Completed", "ran on attic-1", "0123", ("flat loss",))
    assert said == ["by prefect.flow_runs.stage"]  # Prefect's own lines are not the stage's
    assert here.done == ["share prepare", "bring train@full-13"]
    assert json.loads((tmp_path / "measurements/train@full-13.json").read_text()) == {"seconds": 1.5}


def test_a_worker_of_which_nothing_is_heard_is_dead_and_the_stage_is_given_out_again(runner, monkeypatch):
    client, said = Client(Running()), []
    with pytest.raises(
        StageFailed, match=r"train@full-13 failed: its worker died 3 times: no sign of life for 0 seconds\n"
    ):
        bring(runner, client, monkeypatch, said)
    assert [state.name for state in client.set] == ["Crashed"]
    assert said == ["its worker died (no sign of life for 0 seconds); another one takes it"] * 3


def test_heartbeats_keep_a_silent_training_alive(runner, monkeypatch):
    client = Client(*[Running()] * 60, Completed(message="ran"))
    client.heartbeats = [str(number) for number in range(100)]
    monkeypatch.setattr(pool, "SECONDS_BETWEEN_LOOKS", 0.005)
    assert bring(runner, client, monkeypatch, []).state == "Completed"
    assert client.set == []


def test_a_stage_that_waits_for_a_worker_says_so_once_and_is_not_dead(runner, monkeypatch):
    monkeypatch.setattr(pool, "SECONDS_UNTIL_TOLD", 0.0)
    monkeypatch.setattr(pool, "SECONDS_WITHOUT_SIGN", 0.0)
    client, said = Client(*[Scheduled()] * 5, Completed(message="ran")), []
    bring(runner, client, monkeypatch, said)
    assert said == ["waits for a worker; in a clone on another machine: tritune work --pool gpus"]


@pytest.mark.parametrize(
    ("state", "error", "users_error", "stopped"),
    [
        (Failed(name=REFUSED, message="bad luck"), "bad luck", True, False),
        (Failed(message="a bug"), "a bug", False, False),
        (Cancelled(), "cancelled in Prefect", False, True),
    ],
)
def test_how_a_worker_s_run_failed_is_how_the_stage_failed(
    runner, monkeypatch, state, error, users_error, stopped
):
    with pytest.raises(StageFailed) as raised:
        bring(runner, Client(state), monkeypatch, [])
    failure = raised.value
    assert (failure.error, failure.users_error, failure.stopped) == (error, users_error, stopped)


def test_a_server_that_restarts_is_waited_for_and_its_silence_is_not_the_worker_s(runner, monkeypatch):
    client, said = Client(Running(), Running(), Completed(message="ran")), []
    failures = [httpx.ConnectError("refused")] * 30
    read = client.read_flow_run

    def read_flow_run(run_id: uuid.UUID) -> FlowRun:
        if failures:
            time.sleep(0.01)  # together longer than a worker may be silent
            raise failures.pop()
        return read(run_id)

    monkeypatch.setattr(client, "read_flow_run", read_flow_run)
    assert bring(runner, client, monkeypatch, said).state == "Completed"
    assert (client.set, said, failures) == ([], [], [])


def test_a_server_that_stays_away_fails_the_stage_in_words(runner, monkeypatch):
    def refuse(*_: Any) -> None:
        raise httpx.ConnectError("nothing at http://ann:secret@10.0.0.5/api")

    client = Client(Running())
    monkeypatch.setattr(client, "read_flow_run", refuse)
    monkeypatch.setattr(pool, "SECONDS_WITHOUT_SERVER", 0.01)
    with pytest.raises(StageFailed) as raised:
        bring(runner, client, monkeypatch, [])
    assert raised.value.error == "Prefect's server did not take it: nothing at http://10.0.0.5/api"


def test_what_the_user_is_to_mend_is_the_stage_s_failure(runner, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise InputError("dvc.yaml is broken")

    monkeypatch.setattr(pool, "identity_of", refuse)
    with pytest.raises(StageFailed) as raised:
        bring(runner, Client(Running()), monkeypatch, [])
    assert (raised.value.error, raised.value.users_error) == ("dvc.yaml is broken", True)


def test_a_cluster_that_looks_for_a_machine_is_given_more_time(runner, monkeypatch):
    client = Client(*[Pending()] * 40, Completed(message="ran"))
    monkeypatch.setattr(pool, "SECONDS_BETWEEN_LOOKS", 0.005)
    assert bring(runner, client, monkeypatch, []).state == "Completed"
    assert client.set == []


def test_a_stage_that_is_given_out_while_the_run_stops_is_cancelled(runner, monkeypatch):
    client = Client(Running())

    def give_out(*_: Any, **__: Any) -> FlowRun:
        runner.stop()
        return flow_run(Scheduled())

    monkeypatch.setattr(pool, "run_deployment", give_out)
    with pytest.raises(StageFailed) as raised:
        bring(runner, client, monkeypatch, [])
    assert raised.value.stopped
    assert [state.name for state in client.set] == ["Cancelling"]


def test_a_result_that_did_not_arrive_fails_the_stage(runner, here, monkeypatch):
    here.found = ["nowhere", "nowhere"]
    with pytest.raises(StageFailed, match=r"the worker is done, but its result is not in DVC's remote"):
        bring(runner, Client(Completed(message="ran")), monkeypatch, [])


def test_stopping_cancels_what_workers_do(runner, here, monkeypatch):
    client = Client(Running())
    runner._live.add(uuid.uuid4())
    monkeypatch.setattr(pool, "get_client", lambda **_: client)
    runner.stop()
    assert [state.name for state in client.set] == ["Cancelling"]
    assert here.done == ["stop"]
    with pytest.raises(StageFailed) as raised:
        runner.bring_up_to_date(TRAIN)
    assert raised.value.stopped


def test_a_crash_that_the_worker_reports_is_given_out_again(runner, monkeypatch):
    client, said = Client(Crashed(message="killed"), Completed(message="ran")), []
    assert bring(runner, client, monkeypatch, said).state == "Completed"
    assert said == ["its worker died (killed); another one takes it"]
