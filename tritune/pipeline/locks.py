"""One at a time: a stage's process, a training's place on the machine. The kernel frees both on any death."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, TypeVar

from tritune.errors import InputError

T = TypeVar("T")

SECONDS_BETWEEN_TRIES = 0.2

MOMENT = 0.5
"""Seconds to wait for a command that only looks who holds a lock, as `tritune status` and `doctor` do."""


class Busy(Exception):
    """Another live process holds the lock."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path.name} is held by process {holder or 'unknown'}")
        self.holder = holder
        """What the holder wrote into the file: its process id."""


@contextlib.contextmanager
def held(path: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock on `path` inside the block; the file names the process that has it.

    Raises:
        Busy: Another process held it for all of `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    while (file := _try(path)) is None:
        if time.monotonic() >= deadline:
            raise Busy(path, path.read_text().strip())
        time.sleep(SECONDS_BETWEEN_TRIES)
    try:
        yield
    finally:
        file.close()


@contextlib.contextmanager
def alone(path: Path, *, wait_seconds: float, otherwise: Callable[[str], str]) -> Iterator[None]:
    """Hold the lock as `held` does, where somebody else's having it is for the user to mend.

    Args:
        otherwise: From the id of the process that has it to the sentence that says so.

    Raises:
        InputError: Another process held it for all of `wait_seconds`.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(path, wait_seconds=wait_seconds))
        except Busy as busy:
            raise InputError(otherwise(busy.holder)) from None
        yield


def holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock, or None when it is free."""
    if not path.exists():
        return None
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = path.read_text().strip()
            return int(text) if text.isdigit() else 0
    return None


def _try(path: Path) -> IO[str] | None:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


@dataclass(frozen=True)
class Slot:
    """A place where one training can run at a time."""

    locks: tuple[Path, ...]
    """One for each of its GPUs, or for each process on the CPU."""

    environment: dict[str, str]
    """What the process that has the slot sets before it imports anything that looks for a GPU."""


def training_slots(*, threads: int, device: str, folder: Path, processes: int = 1) -> list[Slot]:
    """Return the machine's slots: one a GPU, else as many as the cores allow. At least one.

    Args:
        threads: CPU threads of one training, or of each of its processes.
        device: `auto`, `cpu` or `cuda`, as in params.yaml.
        folder: Where the CPU slots' locks lie. A GPU's lock is the user's, shared by all projects, because
            two projects would fill the same memory.
        processes: Of one training; a slot has as many neighbouring GPUs.

    Raises:
        InputError: There are fewer GPUs than that.
    """
    gpus = visible_gpus() if device != "cpu" and torch_may_use_gpu() else []
    if gpus:
        if processes > len(gpus):
            raise InputError(
                f"compute.processes: each takes a GPU of its own, and this machine has {len(gpus)} "
                f"(got {processes}); set it to {len(gpus)} or less, or compute.device to cpu"
            )
        shared = Path(tempfile.gettempdir()) / f"tritune-{os.getuid()}"
        return [
            Slot(
                tuple(shared / f"gpu-{gpu}.lock" for gpu in some),
                {"CUDA_VISIBLE_DEVICES": ",".join(some)},
            )
            for some in _neighbours(gpus, processes)
        ]
    places = [folder / f"cpu-{i}.lock" for i in range(max(1, usable_cores() // threads))]
    return [Slot(tuple(some), {}) for some in _neighbours(places, min(processes, len(places)))]


def _neighbours(members: Sequence[T], size: int) -> list[Sequence[T]]:
    """Return groups of so many; what is left over at the end is in none."""
    return [members[start : start + size] for start in range(0, len(members) - size + 1, size)]


@contextlib.contextmanager
def one_of(slots: Sequence[Slot]) -> Iterator[Slot]:
    """Wait until a slot is free, and hold it inside the block. Who waits longest gets the next one."""
    said = False
    for lock in {lock for slot in slots for lock in slot.locks}:
        lock.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _in_the_queue(slots) as is_first:
            while not (is_first() and (slot := _free_one(slots, stack))):
                if not said:
                    plural = "s" if len(slots) > 1 else ""
                    print(f"waiting: {len(slots)} training{plural} at a time here", flush=True)
                    said = True
                time.sleep(SECONDS_BETWEEN_TRIES)
        yield slot


@contextlib.contextmanager
def _in_the_queue(slots: Sequence[Slot]) -> Iterator[Callable[[], bool]]:
    """Queue up inside the block; give what tells whether nobody who wants the same slots came before."""
    names = " ".join(str(lock.resolve()) for slot in slots for lock in slot.locks)
    queue = slots[0].locks[0].with_name(f"queue-{hashlib.sha256(names.encode()).hexdigest()[:16]}")
    queue.mkdir(exist_ok=True)
    ticket = queue / f"{time.time_ns()}-{os.getpid()}"
    unfinished = queue / f".{ticket.name}"
    file = _try(unfinished)
    assert file is not None  # nobody else knows its name
    unfinished.rename(ticket)  # whoever sees it finds it held

    def is_first() -> bool:
        return not any(_waits(other) for other in queue.glob("[0-9]*") if other.name < ticket.name)

    try:
        yield is_first
    finally:
        ticket.unlink(missing_ok=True)
        file.close()


def _waits(ticket: Path) -> bool:
    """Tell whether the process that has a ticket is alive; the ticket of a dead one is thrown away."""
    with contextlib.suppress(FileNotFoundError):
        if holder(ticket) is not None:
            return True
        ticket.unlink()
    return False


def _free_one(slots: Sequence[Slot], stack: contextlib.ExitStack) -> Slot | None:
    """Return a slot whose locks the stack holds from now on, if one is free."""
    for slot in slots:
        # All or none: two that each held a half would wait for each other.
        with contextlib.ExitStack() as locks:
            if all(_entered(locks, lock) for lock in slot.locks):
                stack.enter_context(locks.pop_all())
                return slot
    return None


def _entered(stack: contextlib.ExitStack, lock: Path) -> bool:
    """Hold a lock until the stack closes, if it is free."""
    if (file := _try(lock)) is None:
        return False
    stack.callback(file.close)
    return True


def usable_cores() -> int:
    """Return how many CPU cores this process may use: its affinity, and a container's quota. At least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def torch_may_use_gpu() -> bool:
    """Tell whether the installed torch is built for GPUs, by its build tag."""
    try:
        return not metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def visible_gpus() -> list[str]:
    """Return the GPUs as CUDA_VISIBLE_DEVICES names them; MIG parts count as GPUs of their own."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [gpu.strip() for gpu in chosen.split(",") if gpu.strip() not in {"", "-1"}]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    return _listed_gpus(listed.stdout) if listed.returncode == 0 else []


def _listed_gpus(listing: str) -> list[str]:
    """Return the names that `nvidia-smi -L` gives; a GPU that is cut into MIG parts is not one itself."""
    gpus: list[str] = []
    for line in listing.splitlines():
        name = line.rpartition("UUID: ")[2].rstrip(") ")
        if line.startswith("GPU"):
            gpus.append(name)
        elif "MIG" in line and name.startswith("MIG-"):
            if gpus and gpus[-1].startswith("GPU-"):
                gpus.pop()
            gpus.append(name)
    return gpus
