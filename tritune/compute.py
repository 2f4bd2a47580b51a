"""What a computation runs on, set up so that two runs on a CPU give the same bytes."""

import os

import torch

from tritune.errors import InputError
from tritune.settings.train import ComputeSettings


def prepare_torch(settings: ComputeSettings) -> torch.device:
    """Set threads and deterministic algorithms for this process, and return the device to use.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    # cuBLAS gives the same sums only with a fixed workspace; it reads this when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
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
