"""A training's whole state on disk, so that a killed training goes on as if nothing had happened.

A checkpoint is a folder `step-000000120` with `state.safetensors` and `state.json`. It is written under
another name, brought to the disk, and renamed: under its own name it is complete. The one before is removed
only then. Of a sharded model each process writes its own part, the second one `state-1.safetensors`.
"""

import hashlib
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tritune.training.optimizer import optimizer_tensors, restore_optimizer
from tritune.training.processes import ALONE, Processes
from tritune.training.state import TrainingState

CONTENT = "state.json"
UNFINISHED = "unfinished-"


def save_checkpoint(
    folder: Path, state: TrainingState, *, extra: dict[str, Any], processes: Processes = ALONE
) -> None:
    """Store the state in `folder`, and remove older checkpoints once it is safely there.

    Args:
        extra: plain values for the caller's own use, given back by `load_checkpoint`.
        processes: that hold parts of the state, all of which call this together. Where each has all of it,
            the first stores it alone.

    Raises:
        InputError: the training has gone astray (see `raise_if_not_finite`): not worth keeping.
        OSError: the disk is full or not writable; the previous checkpoint is untouched.
    """
    state.raise_if_not_finite()
    name = f"step-{state.step:09d}"
    unfinished = folder / f"{UNFINISHED}{name}"
    together = processes if processes.sharded else ALONE
    together.from_first(partial(_make_empty, folder, unfinished))

    tensors = {f"weights/{key}": value for key, value in state.learning_weights().items()}
    for key, value in optimizer_tensors(state.model, state.optimizer).items():
        tensors[f"optimizer/{key}"] = value
    for key, value in (state.best_weights or {}).items():
        tensors[f"best/{key}"] = value
    own = unfinished / tensors_file(together)
    save_file({key: value.contiguous() for key, value in tensors.items()}, own)
    _bring_to_disk(own)
    hashes = together.gathered(sha256_of(own))
    if not together.first:
        return
    content = {
        "step": state.step,
        "loss_sum": state.loss_sum.item(),
        "history": state.history,
        "loss_parts": state.loss_parts,
        "best_epoch": state.best_epoch,
        "best_score": state.best_score,
        "stopped": state.stopped,
        "extra": extra,
        "tensors_sha256": hashes,
    }
    text = json.dumps(content)
    sealed = {"content": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (unfinished / CONTENT).write_text(json.dumps(sealed), encoding="utf-8")

    for path in (unfinished / CONTENT, unfinished):
        _bring_to_disk(path)
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    unfinished.rename(folder / name)
    _bring_to_disk(folder)
    for older in folder.glob("step-*"):
        if older.name != name:
            shutil.rmtree(older)


def load_checkpoint(
    folder: Path, state: TrainingState, *, processes: Processes = ALONE
) -> dict[str, Any] | None:
    """Bring a fresh state to where the newest sound checkpoint in `folder` was.

    Args:
        processes: that share the training, all of which call this together.

    Returns:
        What was stored as `extra`; None when there is no sound checkpoint, and `state` is untouched then.
    """
    names = sorted((path.name for path in folder.glob("step-*")), reverse=True)
    for candidate in processes.from_first(lambda: names):
        weights = state.learning_weights()
        read = _read_sound(folder / candidate, processes)
        fits = read is not None and _part(read[1], "weights").keys() == weights.keys()
        if not all(processes.gathered(fits)) or read is None:
            continue
        content, tensors = read
        with torch.no_grad():
            for name, tensor in _part(tensors, "weights").items():
                weights[name].copy_(tensor)
        restore_optimizer(state.model, state.optimizer, _part(tensors, "optimizer"))
        best = _part(tensors, "best")
        # Copies, for the file that these tensors are mapped from will be removed.
        state.best_weights = {name: tensor.clone() for name, tensor in best.items()} or None
        state.loss_sum = torch.tensor(content["loss_sum"], dtype=torch.float64)
        for key in ("step", "history", "loss_parts", "best_epoch", "best_score", "stopped"):
            setattr(state, key, content[key])
        extra: dict[str, Any] = content["extra"]
        return extra
    return None


def checkpoint_bytes(state: TrainingState) -> int:
    """Return about how many bytes the next checkpoint will have."""
    weights: int = sum(tensor.nbytes for tensor in state.learning_weights().values())
    return weights * (4 if state.best_weights else 3)


def tensors_file(processes: Processes) -> str:
    """Return the name of the file that holds this process's tensors."""
    part = processes.sharded and not processes.first
    return f"state-{processes.number}.safetensors" if part else "state.safetensors"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_empty(folder: Path, unfinished: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover)
    unfinished.mkdir()


def _read_sound(folder: Path, processes: Processes) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Return a checkpoint's content and this process's tensors, if every byte is as it was written."""
    own, part = folder / tensors_file(processes), processes.number if processes.sharded else 0
    try:
        sealed = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        text = sealed["content"]
        if hashlib.sha256(text.encode()).hexdigest() != sealed["sha256"]:
            return None
        content: dict[str, Any] = json.loads(text)
        if sha256_of(own) != content["tensors_sha256"][part]:
            return None
        return content, load_file(own)
    except (OSError, ValueError, LookupError, TypeError, SafetensorError):
        return None


def _part(tensors: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    prefix = f"{kind}/"
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
