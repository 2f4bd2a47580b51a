"""Processes forked from one that has the libraries loaded, against processes started anew."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from toy_project import Toy, toy_environment

from tritune.pipeline.dag import Stage, read_stages
from tritune.pipeline.forked import UNKNOWN_END, ForkServer, fork_server, trainings_of
from tritune.pipeline.outcome import StageFailed
from tritune.pipeline.reproduce import StageRunner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks after imports are safe on Linux alone")

ROOT = Path(__file__).parents[3]

WHO_AM_I = """\
import json, os, sys, threading
print(json.dumps({
    "argv": sys.argv[1:], "folder": os.getcwd(), "path": sys.path[0], "name": __name__,
    "leads": os.getsid(0) == os.getpid(), "threads": threading.active_count(),
    "own": os.environ.get("OWN"), "others": os.environ.get("NOT_PASSED"),
    "torch": "torch" in sys.modules, "tritune.compute": "tritune.compute" in sys.modules,
}))
sys.exit(3)
"""


@pytest.fixture
def entered(toy: Toy, monkeypatch):
    """The test's project, whose environment this process has."""
    for name, value in toy.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOT_PASSED", "1")
    return toy


@pytest.fixture
def own_server(entered: Toy):
    """A server of the test's own, which may kill it."""
    with contextlib.closing(ForkServer(entered.folder)) as server:
        assert server.is_ready(wait_seconds=120)
        yield server


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A server of all tests, for it takes seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in toy_environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        patch.setenv("NOT_PASSED", "1")
        server = ForkServer(ROOT)
    with contextlib.closing(server):
        assert server.is_ready(wait_seconds=120)
        yield server


@pytest.fixture
def server(entered: Toy, loaded, monkeypatch):
    """The server of all tests, which starts processes in the test's project."""
    monkeypatch.setattr(loaded, "_root", entered.folder)
    return loaded


def stage(toy: Toy, name: str) -> Stage:
    return next(stage for stage in read_stages(toy.folder) if stage.name == name)


def of_server(server: ForkServer) -> psutil.Process:
    return psutil.Process(server._process.pid)


def words_of(process: psutil.Process) -> list[str]:
    return [word for word in process.cmdline() if word]


def test_a_forked_process_is_like_one_started_anew(toy, server):
    environment = {**toy.environment, "OWN": "ü"}
    # Written after the server has started: the project's code is read when a process begins.
    (toy.folder / "who.py").write_text(WHO_AM_I)
    words = ["-m", "who", "one", "two words"]
    forked = server.start(words, environment)
    output, _ = forked.communicate()
    told = json.loads(output)
    anew = subprocess.run(
        [sys.executable, *words],
        cwd=toy.folder,
        env=environment,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert (told.pop("torch"), json.loads(anew.stdout)["torch"]) == (True, False)
    assert {**told, "torch": False} == json.loads(anew.stdout)
    assert forked.wait() == forked.poll() == anew.returncode == 3
    assert (told["tritune.compute"], told["others"], told["own"]) == (False, None, "ü")


def test_what_is_forked_has_no_thread_that_could_hold_a_lock(server):
    threads = Path(f"/proc/{server._process.pid}/task").glob("*/comm")
    names = [name.read_text().strip() for name in threads]
    assert len(names) - names.count("jemalloc_bg_thd") == 1


def test_a_forked_process_is_listed_by_its_own_command_and_killed_like_any(toy, server):
    (toy.folder / "sleeper.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    forked = server.start(["-m", "sleeper", "x"], toy.environment)
    assert forked.stdout.readline() == "here\n"
    assert words_of(psutil.Process(forked.pid)) == [Path(sys.executable).name, "-m", "sleeper", "x"]
    assert forked.poll() is None
    os.killpg(forked.pid, signal.SIGTERM)
    assert forked.wait() == -signal.SIGTERM


def test_a_process_leads_its_group_when_it_is_announced(toy, server):
    (toy.folder / "sleeper.py").write_text("import time\ntime.sleep(600)\n")
    for _ in range(20):
        forked = server.start(["-m", "sleeper"], toy.environment)
        assert os.getpgid(forked.pid) == forked.pid
        os.killpg(forked.pid, signal.SIGKILL)
        assert forked.wait() == -signal.SIGKILL


def test_two_threads_may_ask_for_the_same_end(toy, server):
    (toy.folder / "nothing.py").write_text("")
    for _ in range(30):
        forked = server.start(["-m", "nothing"], toy.environment)
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(forked.wait) for _ in range(2)]
            while forked.poll() is None:
                pass
            assert [one.result() for one in waiting] == [0, 0]


def test_what_a_killed_server_had_started_is_ended_and_nothing_more_is_started(toy, own_server):
    (toy.folder / "sleeper.py").write_text("import time\ntime.sleep(600)\n")
    forked = own_server.start(["-m", "sleeper"], toy.environment)
    of_server(own_server).kill()
    assert forked.wait() == UNKNOWN_END
    assert not psutil.pid_exists(forked.pid) or psutil.Process(forked.pid).status() == psutil.STATUS_ZOMBIE
    assert own_server.start(["-m", "sleeper"], toy.environment) is None


def test_a_stage_goes_on_though_the_server_was_killed_and_is_found_done(toy, own_server):
    (toy.folder / "tasks/prepare.py").write_text(
        "import time\nfrom toy_stages import prepare\n"
        "def run(ctx):\n    print('begun', flush=True)\n    time.sleep(1)\n    prepare(ctx)\n"
    )
    runner = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts", server=own_server)
    said: list[str] = []

    def kill(line: str) -> None:
        said.append(line)
        if line == "begun":
            of_server(own_server).kill()

    assert runner.bring_up_to_date(stage(toy, "prepare"), emit=kill).state == "Cached"
    assert said.count("begun") == 1
    assert "what starts the stages was killed; this one begins again, unless DVC finds it done" in said
    assert not stage(toy, "prepare").stale


def test_a_server_that_can_open_no_more_files_leaves_the_start_to_others(toy, own_server):
    (toy.folder / "sleeper.py").write_text("import time\ntime.sleep(600)\n")
    process = of_server(own_server)
    running = own_server.start(["-m", "sleeper"], toy.environment)
    usual = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), usual[1]))
    assert own_server.start(["-m", "sleeper"], toy.environment) is None
    process.rlimit(psutil.RLIMIT_NOFILE, usual)
    again = own_server.start(["-m", "sleeper"], toy.environment)
    for one in (running, again):
        os.killpg(one.pid, signal.SIGKILL)
        assert one.wait() == -signal.SIGKILL


def test_a_server_that_has_asked_for_gpus_starts_nothing(toy):
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = (
        "import sys, torch\n"
        "from tritune.pipeline import fork_server\n"
        "torch.cuda._is_in_bad_fork = lambda: True\n"
        "fork_server.main()\n"
    )
    with here, there:
        command = [sys.executable, "-c", code, str(there.fileno())]
        done = subprocess.run(command, env=toy.environment, pass_fds=[there.fileno()], timeout=120)
        there.close()
        assert (done.returncode, here.recv(100)) == (0, b"")


def test_a_server_ends_with_whoever_started_it(toy):
    code = (
        "from pathlib import Path; from tritune.pipeline.forked import ForkServer; import os, time\n"
        "server = ForkServer(Path.cwd())\n"
        "print(server._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = toy.start(sys.executable, "-c", code)
    process = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    process.wait(timeout=120)


def test_stages_end_as_they_do_without_a_server(toy, server):
    runner = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts", server=server)
    plain = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts")
    prepare = stage(toy, "prepare")
    body = toy.folder / "tasks/prepare.py"
    body.write_text(f"import sys\nprint('torch' in sys.modules)\n{body.read_text()}")
    said: list[str] = []
    first = runner.bring_up_to_date(prepare, emit=said.append)
    assert (first.state, first.message) == ("Completed", "ran")
    assert "True" in said
    lock, rows = toy.folder / "dvc.lock", toy.folder / "data/tokens/rows.json"
    forked = lock.read_bytes(), rows.read_bytes()
    assert runner.bring_up_to_date(prepare).state == "Cached"
    lock.unlink()
    rows.unlink()
    assert runner.bring_up_to_date(prepare).state == "Restored"
    lock.unlink()
    again = plain.bring_up_to_date(prepare, force=True, emit=said.append)
    assert "False" in said
    assert (again.state, again.key) == ("Completed", first.key)
    assert forked == (lock.read_bytes(), rows.read_bytes())
    (toy.folder / "tasks/prepare.py").write_text("def run(ctx):\n    raise ValueError('not today')\n")
    failures = []
    for one in (runner, plain):
        with pytest.raises(StageFailed) as failed:
            one.bring_up_to_date(prepare)
        failures.append(failed.value)
    assert failures[0].summary == failures[1].summary == "ValueError: not today"
    assert failures[0].users_error is failures[1].users_error is False


def test_a_stage_of_a_server_stops_with_all_it_started(toy, server):
    (toy.folder / "tasks/prepare.py").write_text(
        "import time\ndef run(ctx):\n    print('begun', flush=True)\n    time.sleep(600)\n"
    )
    runner = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts", server=server)
    prepare, began = stage(toy, "prepare"), time.monotonic()

    stages: list[list[str]] = []

    def stop(line: str) -> None:
        if line == "begun":
            stages.extend(words_of(child)[1:] for child in of_server(server).children(recursive=True))
            threading.Thread(target=runner.stop).start()

    with pytest.raises(StageFailed) as failed:
        runner.bring_up_to_date(prepare, emit=stop)
    assert ["-m", "tasks", "prepare"] in stages
    assert failed.value.stopped
    assert time.monotonic() - began < 60
    assert of_server(server).children(recursive=True) == []


def test_a_command_of_the_users_own_runs_in_a_shell(toy, server):
    yaml = toy.folder / "dvc.yaml"
    yaml.write_text(
        yaml.read_text() + '  note:\n    cmd: echo "$((20 + 3))" > note.txt\n    outs: [note.txt]\n'
    )
    runner = StageRunner(toy.folder, receipts=toy.folder / ".dvc/tmp/receipts", server=server)
    runner.bring_up_to_date(stage(toy, "note"))
    assert (toy.folder / "note.txt").read_text() == "23\n"


@pytest.mark.parametrize(("trainings", "wanted"), [(2, False), (3, True)])
def test_a_server_is_started_for_so_many_trainings_only(toy, trainings, wanted):
    training = Stage("train@a-1", (), reasons=("new",), meta={"resource": "training"})
    current = dataclasses.replace(training, reasons=())
    other = dataclasses.replace(training, meta={})
    stages = [training] * trainings + [current, other] * 5
    with fork_server(toy.folder, trainings=trainings_of(stages)) as server:
        assert (server is not None) is wanted
