"""What a computation runs on, set up so that two runs on a CPU give the same bytes."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Literal

import torch

from tritune.errors import InputError
from tritune.settings.train import ComputeSettings

KEPT_OPERATIONS = 224
"""Compiled matrix products that oneDNN keeps, of those that it would keep a thousand of. Each is for one size
of its operands, and takes time to write and memory to hold. A training's sizes are few
(`row_layout.py` and `bins.py` in `tritune/training`), and nearly all of theirs are among these."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's `mallopt`."""

KEPT_BYTES, OWN_BYTES = 2**30, 2**25
"""Freed memory that the C library keeps, and blocks that it takes from the system one by one. Each step of a
training frees what the next one asks for again; handed back in between, the system would clear it page by
page. What is kept goes back after each epoch (`return_freed_memory`), or with the process."""


def prepare_torch(settings: ComputeSettings) -> torch.device:
    """Set threads and deterministic algorithms for this process, and return the device to use.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    # cuBLAS gives the same sums only with a fixed workspace; it reads this when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Both are read when the first product is computed.
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(cache, str(KEPT_OPERATIONS))
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(M_TRIM_THRESHOLD, KEPT_BYTES)
        set_option(M_MMAP_THRESHOLD, OWN_BYTES)
    torch.set_num_threads(settings.threads)
    # Can be set once in a process, and only before the first parallel work.
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"compute.device: cuda is asked for, but torch {torch.__version__} sees no GPU; "
            "set it to auto or cpu, or install a build of torch for your GPU"
        )
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    # Some of a GPU's operations have no deterministic form: there it is a warning, not the end.
    torch.use_deterministic_algorithms(True, warn_only=on_gpu)
    # Filling memory that is written right after costs time and changes nothing here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda" if on_gpu else "cpu")


def return_freed_memory() -> None:
    """Give memory that is freed back to the system, where the C library can be told to (glibc).

    It keeps what it has once used, in pieces between compiled products, and asks for more beside them.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def mixed_precision(device: torch.device, precision: str, *, keep_casts: bool = True) -> torch.autocast:
    """Return the context in which matrix products are computed in a precision, fp32 or bf16.

    Args:
        keep_casts: whether a weight that learns is cast once within it, which holds the casts of all of them.
    """
    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=keep_casts
    )


def chosen_precision(settings: ComputeSettings, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return the precision of the matrix products: as set, or for `auto` the fastest that the hardware has.

    bf16 is chosen only where its products are done in hardware: GPUs since Ampere, processors with AMX or
    AVX-512 BF16. Elsewhere it would be slower than fp32.
    """
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return "bf16" if native else "fp32"


def cpu_name() -> str:
    """Return the processor's name as the system gives it, with the number of cores we may use."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"
