"""A training's whole state on disk, so that a killed training goes on as if nothing had happened.

A checkpoint is a folder `step-000000120` with `state.safetensors` and `state.json`. It is written under
another name, brought to the disk, and renamed: under its own name it is complete. The one before is removed
only then.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tritune.training.optimizer import optimizer_tensors, restore_optimizer
from tritune.training.state import TrainingState

TENSORS, CONTENT = "state.safetensors", "state.json"
UNFINISHED = "unfinished-"


def save_checkpoint(folder: Path, state: TrainingState, *, extra: dict[str, Any]) -> None:
    """Store the state in `folder`, and remove older checkpoints once it is safely there.

    Args:
        extra: plain values for the caller's own use, given back by `load_checkpoint`.

    Raises:
        InputError: the training has gone astray (see `raise_if_not_finite`): not worth keeping.
        OSError: the disk is full or not writable; the previous checkpoint is untouched.
    """
    state.raise_if_not_finite()
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover)
    name = f"step-{state.step:09d}"
    unfinished = folder / f"{UNFINISHED}{name}"
    unfinished.mkdir()

    tensors = {f"weights/{key}": value for key, value in state.learning_weights().items()}
    for key, value in optimizer_tensors(state.model, state.optimizer).items():
        tensors[f"optimizer/{key}"] = value
    for key, value in (state.best_weights or {}).items():
        tensors[f"best/{key}"] = value
    save_file({key: value.contiguous() for key, value in tensors.items()}, unfinished / TENSORS)
    content = {
        "step": state.step,
        "loss_sum": state.loss_sum.item(),
        "history": state.history,
        "loss_parts": state.loss_parts,
        "best_epoch": state.best_epoch,
        "best_score": state.best_score,
        "stopped": state.stopped,
        "extra": extra,
        "tensors_sha256": sha256_of(unfinished / TENSORS),
    }
    text = json.dumps(content)
    sealed = {"content": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (unfinished / CONTENT).write_text(json.dumps(sealed), encoding="utf-8")

    for path in (unfinished / TENSORS, unfinished / CONTENT, unfinished):
        _bring_to_disk(path)
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    unfinished.rename(folder / name)
    _bring_to_disk(folder)
    for older in folder.glob("step-*"):
        if older.name != name:
            shutil.rmtree(older)


def load_checkpoint(folder: Path, state: TrainingState) -> dict[str, Any] | None:
    """Bring a fresh state to where the newest sound checkpoint in `folder` was.

    Returns:
        What was stored as `extra`; None when there is no sound checkpoint, and `state` is untouched then.
    """
    for candidate in sorted(folder.glob("step-*"), reverse=True):
        content = _read_sound(candidate)
        if content is None:
            continue
        tensors = load_file(candidate / TENSORS)
        weights = state.learning_weights()
        if _part(tensors, "weights").keys() != weights.keys():
            continue
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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_sound(folder: Path) -> dict[str, Any] | None:
    """Return a checkpoint's content if every byte of it is as it was written."""
    try:
        sealed = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        text = sealed["content"]
        if hashlib.sha256(text.encode()).hexdigest() != sealed["sha256"]:
            return None
        content: dict[str, Any] = json.loads(text)
        return content if sha256_of(folder / TENSORS) == content["tensors_sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
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
