"""What stands around a stage's body in its process, the same whoever started DVC.

One live process per stage, training slots, an end with the supervisor, scratch that survives a kill, outputs
that appear whole or not at all, and no result for inputs that changed meanwhile.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from threadpoolctl import threadpool_limits

from tritune.errors import InputError, ProcessFailed
from tritune.peak_memory import peak_memory_bytes
from tritune.pipeline.context import StageContext
from tritune.pipeline.disk import check_room, full_disk, no_space, size_of
from tritune.pipeline.identity import Identity, identity_of
from tritune.pipeline.less_memory import less_memory
from tritune.pipeline.locks import Busy, held, one_of, training_slots
from tritune.pipeline.machine import MEASUREMENTS, this_machine
from tritune.pipeline.outputs import check_writable, move_into_place, write_provenance
from tritune.pipeline.receipt import Receipt
from tritune.pipeline.shared_scratch import shared
from tritune.pipeline.supervisor import end_with_supervisor
from tritune.training.memory import is_out_of_memory
from tritune.versions import FILE as VERSIONS_FILE
from tritune.versions import check_versions

WORK = Path(".dvc/tmp/tritune")
"""Locks, scratch and receipts, below the project. DVC keeps it out of git."""

USERS_ERROR, BUSY, INPUTS_CHANGED, TERMINATED = 2, 75, 76, 143
"""Exit codes beside 0 and 1; a stage whose supervisor died ends with 77."""

SECONDS_FOR_PREDECESSOR = 5.0
"""How long an earlier process of the same stage may take to notice that it should end."""

Body = Callable[[StageContext], None]


def run_stage(
    stage: str, *, item: Mapping[str, str], load_body: Callable[[], Body], pipeline: str = "dvc.yaml"
) -> int:
    """Run one stage in this process and return the exit code.

    Args:
        stage: Its name in dvc.yaml, for example `train@partial-13`.
        item: What the matrix varies: `method` and `seed`.
        load_body: Imports and returns the body. Called when the environment is set and inputs are known.
        pipeline: The file that defines the stage.
    """
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _terminated)
    end_with_supervisor()
    try:
        Receipt(stage).write()
        with held(WORK / "locks" / f"{stage}.lock", wait_seconds=SECONDS_FOR_PREDECESSOR):
            receipt = _run_alone(stage, item=item, load_body=load_body, pipeline=pipeline)
    except Busy as busy:
        receipt = _failed(stage, BUSY, f"{stage} is already being run, by process {busy.holder}")
    except InputError as error:
        receipt = _failed(stage, USERS_ERROR, str(error))
    except Exception as error:
        if full_disk(error):
            receipt = _failed(stage, USERS_ERROR, no_space(Path.cwd()))
        elif isinstance(error, ProcessFailed):
            receipt = _failed(stage, 1, str(error))
        else:
            traceback.print_exc()
            text = "".join(traceback.format_exception(error)).rstrip()
            receipt = Receipt(stage, exit_code=1, error=text)
    # On a full disk it can't be told; what was printed has to do then.
    with contextlib.suppress(OSError):
        receipt.write()
    return receipt.exit_code or 0


def _run_alone(
    stage: str, *, item: Mapping[str, str], load_body: Callable[[], Body], pipeline: str
) -> Receipt:
    root = Path.cwd()
    identity = identity_of(stage, root=root, pipeline=pipeline)
    Receipt(stage, identity.key).write()
    check_versions(identity.recorded.get("params", {}).get(VERSIONS_FILE, {}))
    check_writable(identity.outputs, root=root)
    scratch = WORK / "scratch" / stage / identity.scratch_key[:16]
    shutil.rmtree(scratch / "outputs", ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    context = StageContext(stage, item, identity.params, identity.inputs, identity.outputs, scratch)

    with _slot(identity), _kept_for_others(identity, scratch, stage=stage):
        begun = time.monotonic()
        try:
            load_body()(context)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            advice = less_memory(stage, identity.meta, root=root)
            raise InputError(f"{stage} ran out of memory; {advice}") from error
        seconds = time.monotonic() - begun

    after = identity_of(stage, root=root, pipeline=pipeline)
    if changed := identity.differences(after):
        shutil.rmtree(scratch, ignore_errors=True)
        return _failed(
            stage,
            INPUTS_CHANGED,
            f"{', '.join(changed)} changed while {stage} ran; the result belongs to neither state and was "
            "thrown away. Run it again",
        )
    for output in identity.outputs:
        if (scratch / "outputs" / output).is_dir() and identity.meta.get("provenance", True):
            write_provenance(scratch / "outputs" / output, stage=stage, recorded=identity.recorded)
    check_room(root, cache=identity.cache, bytes_to_keep=size_of(scratch / "outputs"))
    move_into_place(identity.outputs, staging=scratch / "outputs", root=root)
    _write_measurements(identity.key, stage, context.measurements, seconds=seconds)
    # Scratch of other keys goes too: it was kept in case the same settings came back.
    shutil.rmtree(scratch.parent, ignore_errors=True)
    return Receipt(stage, identity.key, exit_code=0, notes=context.notes)


@contextlib.contextmanager
def _slot(identity: Identity) -> Iterator[None]:
    """Prepare the process's environment; for a training, wait for its place on the machine first."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    compute = identity.params.get("compute", {})
    threads = int(compute.get("threads", 1))
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    threadpool_limits(threads)  # of libraries that were loaded before the process was forked
    if identity.meta.get("resource") != "training":
        yield
        return
    slots = training_slots(
        threads=threads,
        device=compute.get("device", "auto"),
        folder=WORK / "slots",
        processes=compute.get("processes", 1) if identity.meta.get("processes") == "several" else 1,
    )
    with one_of(slots) as slot:
        os.environ.update(slot.environment)
        yield


def _kept_for_others(
    identity: Identity, scratch: Path, *, stage: str
) -> contextlib.AbstractContextManager[None]:
    """Share a training's scratch; what others lay aside there (rows of the user's) is made again faster."""
    if identity.meta.get("resource") != "training":
        return contextlib.nullcontext()
    return shared(scratch, stage=stage, key=scratch.name)


def _write_measurements(key: str, stage: str, measured: Mapping[str, Any], *, seconds: float) -> None:
    """Write what differs from run to run, and of which inputs; the body's own numbers win over ours."""
    content = {
        "key": key,
        "machine": this_machine(),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        **measured,
    }
    path = MEASUREMENTS / f"{stage}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _failed(stage: str, code: int, error: str) -> Receipt:
    print(f"error: {error}", file=sys.stderr, flush=True)
    return Receipt(stage, exit_code=code, error=error)


def _terminated(*_: object) -> NoReturn:
    sys.exit(TERMINATED)
