"""What to do where a training does not fit into memory, before it runs and when it has run out."""

from collections.abc import Iterator
from contextlib import contextmanager

from tritune.errors import InputError
from tritune.settings.train import ComputeSettings, TrainSettings

CPU_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"
"""Torch's words on a CPU; it raises a plain RuntimeError."""

SAME_RESULT = "set compute.recompute_activations: true (the same result in more time; what was begun goes on)"


@contextmanager
def advice_on_memory(what: str, train: TrainSettings, compute: ComputeSettings) -> Iterator[None]:
    """Turn a lack of memory inside into an error that says what helps.

    Args:
        what: ran out of it, as the beginning of a sentence.

    Raises:
        InputError: memory has run out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        advice = f"{smaller(train, compute)}. `tritune estimate` tells what fits"
        raise InputError(f"{what} ran out of memory; {advice}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory of the CPU or of a GPU has run out."""
    # By name, so that commands need not import torch for it.
    of_gpu = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    return of_gpu or isinstance(error, MemoryError) or CPU_ALLOCATOR in str(error)


def smaller(train: TrainSettings, compute: ComputeSettings) -> str:
    """Return which settings would make a training smaller, as the end of a sentence."""
    changes = ["set tokenize.max_length lower", "freeze more layers (kind: partial)"]
    if train.batch_size > 1:
        changes.insert(0, f"set train.batch_size below {train.batch_size}")
    else:
        changes.append("take a smaller base model")
    if compute.processes > 1 and not compute.shard:
        changes.insert(0, "set compute.shard: true")
    first = "" if compute.recompute_activations else f"{SAME_RESULT}; or "
    return f"{first}{', '.join(changes[:-1])}, or {changes[-1]}"
