"""One stage brought up to date by a DVC process of its own, which can be stopped with all it started.

`dvc --wait-for-lock repro -s STAGE`, one process per stage: without the option, parallel stages fail after
their work is done; without `-s`, siblings block each other; threads of one process lose each other's locks.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tritune.pipeline import receipt, supervisor
from tritune.pipeline.dag import Stage
from tritune.pipeline.deaths import memory_kills
from tritune.pipeline.dvc_output import is_noise
from tritune.pipeline.forked import UNKNOWN_END, ForkedProcess, ForkServer
from tritune.pipeline.integrity import damaged_outputs
from tritune.pipeline.last_words import LastWords, last_words, of_dvc
from tritune.pipeline.outcome import Outcome, StageFailed
from tritune.pipeline.passwords import without_passwords
from tritune.pipeline.process_group import end_group
from tritune.pipeline.remote_results import FOUND

Process = subprocess.Popen[str] | ForkedProcess

LINES_OF_TAIL = 20
NOT_KEPT = "ERROR: failed to transfer"
"""DVC says so of a file that it could not put into its cache, and then ends as if all were well."""


class StageRunner:
    """Brings stages up to date, several at a time from different threads, until it is stopped."""

    def __init__(
        self, root: Path, *, receipts: Path, fetch: bool = False, server: ForkServer | None = None
    ) -> None:
        """Args:
        root: The project.
        receipts: A folder of this run's own, where stages say how they ended.
        fetch: Ask DVC's remote for a stage's result before its body would run.
        server: Starts the processes. None: each is started anew.
        """
        self._root = root
        self._fetch = fetch
        self._receipts = receipts.resolve()
        self._receipts.mkdir(parents=True, exist_ok=True)
        self._server = server
        self._live: set[Process] = set()
        self._stopping = threading.Event()
        self._guard = threading.Lock()

    def bring_up_to_date(
        self,
        stage: Stage,
        *,
        force: bool = False,
        emit: Callable[[str], None] = print,
        found: str | None = None,
    ) -> Outcome:
        """Let DVC restore or run a stage whose needs are up to date.

        Args:
            stage: `meta.timeout` in dvc.yaml, in seconds, ends it when it takes longer.
            force: Run the body whatever DVC knows.
            emit: Gets each line that the stage prints, DVC's own left out.
            found: What `find_result` said; None: it was not asked yet.

        Raises:
            StageFailed: It failed, took too long, or was stopped.
        """
        if found is None and self._fetch and not force:
            found = self.find_result(stage.name, emit)
        outcome = self._reproduce(stage, force=force, emit=emit)
        restored = outcome.state == "Restored" or (found == "fetched" and outcome.state == "Cached")
        if restored and (damaged := damaged_outputs(self._root, stage.name, pipeline=stage.pipeline)):
            emit(
                f"DVC's cache gave {', '.join(damaged)} back with other bytes than were kept; what is "
                "damaged there was removed, and the stage runs anew"
            )
            return self._reproduce(stage, force=True, emit=emit)
        if found == "fetched" and outcome.state != "Completed":
            return Outcome(stage.name, "Restored", "outputs came from DVC's remote")
        return outcome

    def find_result(self, stage: str, emit: Callable[[str], None] = print) -> str:
        """Ask DVC's remote for what a stage would give; return `fetched`, `here` or `nowhere`.

        Args:
            emit: Is told when the remote does not answer, which counts as `nowhere`.
        """
        code, told = self._exchange("fetch", stage)
        if code not in FOUND:
            # Each try costs the waits of the remote's own library.
            self._fetch = False
            emit(f"DVC's remote did not answer; this run asks it no more and trains: {told}")
        return FOUND.get(code, "nowhere")

    def fetch_inputs(self, stage: str) -> None:
        """Bring what a stage reads of other stages' outputs here from DVC's remote.

        Raises:
            StageFailed: The remote cannot be reached, or lacks a part.
        """
        code, told = self._exchange("inputs", stage)
        if code != 0:
            raise StageFailed(stage, f"what it reads could not be had from DVC's remote: {told}")

    def share_result(self, stage: str) -> None:
        """Leave the result of a stage that is up to date in DVC's remote.

        Raises:
            StageFailed: The remote cannot be reached, or does not take it.
        """
        code, told = self._exchange("share", stage)
        if code != 0:
            raise StageFailed(stage, f"its result is here, but could not be pushed to DVC's remote: {told}")

    def _exchange(self, verb: str, stage: str) -> tuple[int, str]:
        """Run `remote_results` on a stage; return its exit code and the last line that it printed."""
        process = self._start(stage, ["-m", "tritune.pipeline.remote_results", verb, stage])
        try:
            output, _ = process.communicate()
            code = process.wait()
        finally:
            self._live.discard(process)
        if self._stopping.is_set():
            raise StageFailed(stage, "stopped", stopped=True)
        # Where it died by itself, this is a library's own line.
        return code, without_passwords(next(reversed(output.splitlines()), ""))

    def _reproduce(self, stage: Stage, *, force: bool, emit: Callable[[str], None]) -> Outcome:
        (self._receipts / f"{stage.name}.json").unlink(missing_ok=True)
        kills_before = memory_kills()
        words = ["-m", "dvc", "--wait-for-lock", "repro", "-s", stage.address]
        process = self._start(stage.name, [*words, "-f"] if force else words)
        timed_out = threading.Event()
        timer = self._end_after(process, stage.meta.get("timeout"), timed_out)
        lines: list[str] = []
        not_kept = ""
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if text := line.rstrip():
                    lines = [*lines, text][-LINES_OF_TAIL:]
                    if text.startswith(NOT_KEPT):
                        not_kept = text.removeprefix("ERROR: ")
                    if not is_noise(text):
                        emit(text)
            code = process.wait()
        finally:
            self._live.discard(process)
            if timer:
                timer.cancel()
        if code == UNKNOWN_END and not (timed_out.is_set() or self._stopping.is_set()):
            emit("what starts the stages was killed; this one begins again, unless DVC finds it done")
            return self._reproduce(stage, force=force, emit=emit)
        if code == 0 and not_kept:
            raise _failed(stage, of_dvc(f"DVC could not keep its result: {not_kept}", root=self._root))
        if code == 0:
            return self._outcome(stage.name, lines)
        if timed_out.is_set():
            raise StageFailed(
                stage.name, f"took longer than {stage.meta['timeout']} seconds (meta.timeout in dvc.yaml)"
            )
        if self._stopping.is_set():
            raise StageFailed(stage.name, "stopped", stopped=True)
        account = receipt.read_receipt(self._receipts, stage.name)
        ran_out = memory_kills() != kills_before
        raise _failed(stage, last_words(stage, lines, account, root=self._root, memory_ran_out=ran_out))

    def stop(self) -> None:
        """End every process that was started, and start no more. Returns when none is left."""
        with self._guard:
            self._stopping.set()
            live = list(self._live)
        threads = [threading.Thread(target=end_group, args=(process,)) for process in live]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _start(self, stage: str, words: list[str]) -> Process:
        """Start `python WORDS`, in a session of its own."""
        with self._guard:
            if self._stopping.is_set():
                raise StageFailed(stage, "stopped before it started", stopped=True)
            environment = self._environment()
            process: Process | None = None
            if self._server is not None:
                process = self._server.start(words, environment)
            process = process or subprocess.Popen(
                [sys.executable, *words],
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._live.add(process)
        return process

    def _environment(self) -> dict[str, str]:
        # `python` in a stage's cmd must be this interpreter, also where no environment is activated.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {
            **os.environ,
            "PATH": path,
            "DVC_NO_ANALYTICS": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            receipt.VARIABLE: str(self._receipts),
            supervisor.VARIABLE: supervisor.signature(),
        }

    def _end_after(
        self, process: Process, seconds: float | None, timed_out: threading.Event
    ) -> threading.Timer | None:
        if seconds is None:
            return None

        def end() -> None:
            timed_out.set()
            end_group(process)

        timer = threading.Timer(seconds, end)
        timer.start()
        return timer

    def _outcome(self, stage: str, lines: list[str]) -> Outcome:
        done = receipt.read_receipt(self._receipts, stage)
        if done is not None:
            step = done.notes.get("resumed_from_step")
            message = "ran" if step is None else f"resumed from step {step}"
            return Outcome(stage, "Completed", message, done.key, tuple(done.notes.get("warnings", ())))
        if any("is cached - skipping run" in line for line in lines):
            return Outcome(stage, "Restored", "outputs came from DVC's run-cache")
        return Outcome(stage, "Cached", "dvc.lock is current")


def _failed(stage: Stage, why: LastWords) -> StageFailed:
    return StageFailed(stage.name, why.error, users_error=why.users_error, busy=why.busy)
