"""What a frozen prefix gives for every token of a table, on disk, for all trainings that share the prefix.

A memo can be made again at any time, so it is no output of a stage: it lies in scratch, under a key of all
that it depends on, and the oldest go when a new one needs their place.
"""

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import transformers
from torch import nn
from transformers import PreTrainedModel

from tritune.compute import mixed_precision
from tritune.models.modes import evaluating
from tritune.tokens import TokenTable
from tritune.training.batches import by_tokens, collate
from tritune.training.packing import Packing
from tritune.training.stored_prefix import StoredPrefix

TOKENS_AT_ONCE = 2048
"""Of a batch in filling; padding counts where it runs through the layers."""

CODE = Path(__file__).parent
"""Whose modules run the layers: another version of them may round sums otherwise."""

NAMES_ONLY = ("_name_or_path", "architectures", "id2label", "label2id", "transformers_version", "tritune")
"""Of a config: what a fine-tuned model's has otherwise than its base's, and no layer reads."""

Precision = Literal["fp32", "bf16"]


def memo_bytes(table: TokenTable, *, width: int, precision: Precision) -> int:
    """Return the size of the memo of a table."""
    return len(table.tokens) * width * (2 if precision == "bf16" else 4)


def memo_key(
    model: PreTrainedModel,
    prefix: StoredPrefix,
    table: TokenTable,
    *,
    packing: Packing | None = None,
    precision: Precision,
) -> str:
    """Return 32 hexadecimal digits that differ where anything differs that the stored numbers depend on."""
    digest = hashlib.blake2b(digest_size=16)
    facts = [prefix.depth, precision, torch.get_num_threads(), torch.__version__, transformers.__version__]
    facts += [platform.machine(), torch.backends.cpu.get_cpu_capability(), TOKENS_AT_ONCE]
    facts.append(None if packing is None else packing.chosen)
    digest.update(repr(facts).encode())
    config = {key: value for key, value in model.config.to_dict().items() if key not in NAMES_ONLY}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(prefix.digest)
    for path in sorted(CODE.glob("*.py")):
        digest.update(path.read_bytes())
    for array in (table.tokens, table.offsets, table.token_types):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_memo(path: Path) -> np.ndarray | None:
    """Return a finished memo, [tokens, width], mapped from the disk; None where there is none."""
    if not path.exists():
        return None
    memo: np.ndarray = np.load(path, mmap_mode="r")
    os.utime(path)  # the order in which memos go is that of their last use
    return memo


def fill_memo(
    path: Path,
    *,
    model: nn.Module,
    prefix: StoredPrefix,
    packing: Packing | None = None,
    table: TokenTable,
    pad_token_id: int,
    device: torch.device,
    precision: Precision,
) -> Iterator[int]:
    """Write the memo of a table, and yield after each batch how many tokens are done.

    The file appears whole at the end. Its bytes depend on nothing but what `memo_key` names.

    Args:
        packing: lays rows end to end; None: they run padded.

    Raises:
        OSError: the disk is full or not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    kind = np.uint16 if precision == "bf16" else np.float32
    memo = np.lib.format.open_memmap(unfinished, "w+", kind, (len(table.tokens), prefix.width))
    _take_place(unfinished)
    table = replace(table, packed=packing is not None)
    done, lengths = 0, table.lengths
    order = np.argsort(-lengths, kind="stable")
    with evaluating(model):
        for rows in by_tokens(order, lengths[order], most=TOKENS_AT_ONCE, padded=not table.packed):
            batch = collate(table, rows, pad_token_id=pad_token_id).to(device)
            with (
                torch.inference_mode(),
                mixed_precision(device, precision),
            ):
                output = prefix.output(batch.inputs())
                # The last layer's hook unpacks, which is above the prefix, unless it is all of them.
                if packing is not None and packing.layout is not None:
                    output = packing.layout.unpack(output)
                output = output.to(torch.bfloat16 if precision == "bf16" else torch.float32).cpu()
            values = (output.view(torch.uint16) if precision == "bf16" else output).numpy()
            for row, value in zip(rows, values, strict=True):
                begin, end = table.offsets[row], table.offsets[row + 1]
                memo[begin:end] = value[: end - begin]
            done += int(lengths[rows].sum())
            yield done
    memo.flush()
    unfinished.replace(path)


def make_room(folder: Path, *, needed: int, budget: int, keep: Collection[Path] = ()) -> None:
    """Remove the memos not used for longest until `needed` more bytes are within the budget.

    Args:
        keep: memos that stay whatever their age.
    """
    files = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
    held = sum(path.stat().st_size for path in files)
    for path in files:
        if path in keep:
            continue
        if held + needed <= budget:
            return
        held -= path.stat().st_size
        path.unlink(missing_ok=True)


def _take_place(path: Path) -> None:
    """Take a file's place on the disk, where the system can: a disk that fills under a map kills the process.

    Raises:
        OSError: the disk is full; the file is gone again.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError:
            path.unlink()
            raise
