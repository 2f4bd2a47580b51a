"""`python -m tritune.pipeline.fork_server FD`: loads the big libraries once; every stage's process is a copy.

Importing torch, transformers and DVC takes a stage longer than many have to work, and each stage has two
processes: DVC's, and the one that DVC starts. Both begin here as forks that have the libraries, and nothing
of this project's, whose code is read when the process begins, as by an interpreter of its own; but for what
dvc.lock says, which grows as stages end and would be parsed in each process of DVC's. What is forked has
computed nothing and has no thread, but for that of pyarrow's allocator (jemalloc), which sees to forks.
When whoever asks is gone, the server ends after the last process.
"""

import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from setproctitle import setproctitle

from tritune.pipeline.lock_file import changed_lock, know_entries, quicken_reading

LIBRARIES = (
    "dvc.cli.parser",
    "dvc.commands.repro",
    "dvc.lock",
    "dvc.repo.datasets",
    "dvc.repo.plots",
    "dvc.stage.run",
    "dvc_data.hashfile.checkout",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic.fields",
    "pydantic.functional_validators",
    "pydantic.main",
    "pyparsing",
    "ruamel.yaml",
    "scipy.stats",
    "scmrepo.git",
    "sklearn.linear_model",
    "torch._dynamo",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.encoder_decoder.modeling_encoder_decoder",
)
"""What most stages import, and what takes longest, with the many small ones that together take as long."""

READY, PID, END = b"ready", b"pid", b"end"
LARGEST_REQUEST = 1 << 20
FORK = multiprocessing.get_context("fork")


def main() -> None:
    """Load the libraries, say so, and start what is asked for until the other end is closed."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or the collector would write to every page, which is shared until somebody does
    if forks_are_whole():
        requests.send(READY)
        serve(requests)


def forks_are_whole() -> bool:
    """Tell whether forks can use GPUs. They can't where a library asked for one while it was loaded."""
    probe = FORK.Process(target=_exit_with_what_torch_says)
    probe.start()
    probe.join()
    return probe.exitcode == 0


def _exit_with_what_torch_says() -> None:
    import torch

    sys.exit(int(torch.cuda._is_in_bad_fork()))


def serve(requests: socket.socket) -> None:
    """Start a process for each request: its content, and where it prints and its state is told.

    There it tells its process id itself, when it leads its session; and we its exit code when it has ended,
    negative where a signal ended it. Where it can't be started, nothing is told, and whoever asked does it.
    """
    running: dict[int, tuple[ForkProcess, Connection[Any, Any]]] = {}
    while True:
        for ready in connection.wait([requests, *running]):
            if ready is requests:
                content, descriptors, *_ = socket.recv_fds(requests, LARGEST_REQUEST, 2)
                if not content:
                    return
                others = [requests.fileno(), *(state.fileno() for _, state in running.values())]
                with contextlib.suppress(OSError, ValueError):
                    request = json.loads(content)
                    know_entries(Path(request["folder"], "dvc.lock"))
                    process, state = _start(request, descriptors, others)
                    running[process.sentinel] = process, state
            else:
                assert isinstance(ready, int)
                process, state = running.pop(ready)
                process.join()
                with contextlib.suppress(OSError):  # whoever asked is gone
                    state.send_bytes(b"%s %d" % (END, process.exitcode or 0))
                process.close()
                state.close()


def _start(
    request: dict[str, Any], descriptors: Sequence[int], others: Sequence[int]
) -> tuple[ForkProcess, "Connection[Any, Any]"]:
    """Return the process, and where its end is to be told.

    Raises:
        OSError: The system allows no more processes.
        ValueError: The descriptors did not arrive: too many are open here.
    """
    if len(descriptors) != 2:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError("descriptors are missing")
    output, state = descriptors[0], Connection(descriptors[1], readable=False)
    try:
        process = FORK.Process(target=_begin, args=(request, output, state, others))
        process.start()
    except OSError:
        state.close()
        raise
    finally:
        os.close(output)
    return process, state


def _begin(
    request: dict[str, Any], output: int, state: "Connection[Any, Any]", others: Sequence[int]
) -> None:
    """Be the process that was asked for: lead a session, print where it was told to, and run the module."""
    os.setsid()
    state.send_bytes(b"%s %d" % (PID, os.getpid()))
    state.close()
    for descriptor in others:
        os.close(descriptor)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    _quicken_dvc()
    _become(request["words"], folder=request["folder"], environment=request["environment"])


def _quicken_dvc() -> None:
    """Have DVC, in this process, fork the stage it runs, and read and write dvc.lock faster."""
    import dvc.dvcfile
    import dvc.stage.run

    quicken_reading()
    dvc.stage.run._run = _forking(dvc.stage.run._run)
    modify_yaml = dvc.dvcfile.modify_yaml
    dvc.dvcfile.modify_yaml = lambda path, fs=None: (
        changed_lock(path) if Path(path).name == "dvc.lock" else modify_yaml(path, fs=fs)
    )


def _forking(start: Callable[..., None]) -> Callable[..., None]:
    """Return what DVC calls to run a stage's command: this project's stages as forks, all else as before."""

    def run(executable: str | None, cmd: str, **given: Any) -> None:
        from dvc.stage.exceptions import StageCmdFailedError

        words = cmd.split(" ")
        # Nothing that only a shell understands.
        if words[:3] != ["python", "-m", "tasks"] or shlex.join(words) != cmd:
            start(executable, cmd, **given)
            return
        stage = FORK.Process(target=_become, args=(words[1:], given["cwd"], given["env"]))
        stage.start()
        stage.join()
        if stage.exitcode != 0:
            raise StageCmdFailedError(cmd, stage.exitcode)

    return run


def _become(words: Sequence[str], folder: str, environment: dict[str, str]) -> None:
    """Do in this process what `python WORDS` would do in one of its own, in a folder and an environment.

    Args:
        words: `-m`, a module, and its arguments.
    """
    gc.freeze()
    # Before the environment moves. What is left of a longer line would be listed as words of this one.
    line = Path("/proc/self/cmdline").read_bytes()
    setproctitle(shlex.join([Path(sys.executable).name, *words]).ljust(len(line)))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    importlib.invalidate_caches()
    sys.path[0] = folder
    sys.argv = list(words[1:])
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
