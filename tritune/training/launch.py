"""Run one function in several processes of this machine, as one computation: it ends well in all, or in none.

The process that calls waits. When a process fails or dies, the others are ended, and what the first one said
is raised. When the caller is ended, by whatever, the processes end too.

Source: the shape of `torch.multiprocessing.start_processes`. Where we differ: the first process's value comes
back, the user's errors stay the user's, and a process ends with its parent on every system.
"""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from tritune.errors import InputError, ProcessFailed
from tritune.pipeline.deaths import death, memory_kills
from tritune.pipeline.supervisor import ORPHANED

SECONDS_TO_HEAR = 2.0
"""After one process has failed, for those that fail by it or before it to say so."""

KILLED = -signal.SIGKILL


def in_processes(
    function: Callable[..., Any], arguments: Sequence[Any], *, count: int, what: str, advice: str
) -> Any:
    """Call `function(number, *arguments)` in `count` fresh processes and return what number 0 returned.

    Only the first process's standard output is seen.

    Args:
        function: of a module, so that a fresh process finds it by its name.
        arguments: plain values, the same for all.
        count: 1 or more.
        what: they do together, for messages, such as `the training`.
        advice: what would need less memory, as the end of a sentence.

    Raises:
        InputError: raised by a process, or the system has killed one for want of memory.
        ProcessFailed: anything else that a process raised, with its traceback, or how it died.
    """
    context = multiprocessing.get_context("spawn")
    kills_before = memory_kills()
    running: dict[Connection, SpawnProcess] = {}
    try:
        for number in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_one, args=(theirs, function, number, arguments))
            process.start()
            theirs.close()
            running[ours] = process
        results = _heard(running)
    finally:
        for process in running.values():
            process.kill()
        for process in running.values():
            process.join()
    failed = [kind for kind, _ in results.values() if kind != "done"]
    if not failed:
        first: Any = results[next(iter(running))][1]
        return first
    # One that died could say nothing; what the others said came of it.
    for number, (pipe, process) in enumerate(running.items(), start=1):
        if pipe in results and results[pipe][0] == "dead":
            ran_out = memory_kills() != kills_before
            told = death(process.exitcode or 0, memory_ran_out=ran_out, advice=advice)
            sentence = f"process {number} of the {count} that share {what} ended early: {told}"
            raise (InputError if ran_out and process.exitcode == KILLED else ProcessFailed)(sentence)
    kind, said = next(result for result in results.values() if result[0] != "done")
    raise InputError(said) if kind == "input" else ProcessFailed(f"one of the {count} processes:\n{said}")


def _heard(running: dict[Connection, SpawnProcess]) -> dict[Connection, tuple[str, Any]]:
    """Return what the processes said, in the order in which it came: of all, or until one has failed."""
    results: dict[Connection, tuple[str, Any]] = {}
    patience = None
    while len(results) < len(running):
        ready = wait([pipe for pipe in running if pipe not in results], timeout=patience)
        if not ready:
            break
        for pipe in ready:
            assert isinstance(pipe, Connection)
            try:
                results[pipe] = pipe.recv()
            except EOFError:  # it ended without a word
                running[pipe].join()
                results[pipe] = ("dead", None)
            if results[pipe][0] != "done":
                patience = SECONDS_TO_HEAR
    return results


def _one(pipe: Connection, function: Callable[..., Any], number: int, arguments: Sequence[Any]) -> None:
    """Stand around the function in its process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Of the terminal's Ctrl-C the parent alone is told, and ends all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if number:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    try:
        value = function(number, *arguments)
    except InputError as error:
        pipe.send(("input", str(error)))
    except BaseException:
        pipe.send(("error", traceback.format_exc()))
    else:
        pipe.send(("done", None if number else value))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(ORPHANED)
