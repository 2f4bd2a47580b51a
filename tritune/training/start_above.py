"""Trainings and answers start above the layers that hold still: what these give is read, or stored first."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from tritune.compute import return_freed_memory
from tritune.errors import InputError
from tritune.objectives.objective import Objective
from tritune.pipeline.locks import held
from tritune.tokens import TokenTable
from tritune.training.packing import packed_layers
from tritune.training.prefix_memo import (
    Precision,
    fill_memo,
    make_room,
    memo_bytes,
    memo_key,
    read_memo,
)
from tritune.training.stored_prefix import StoredPrefix, passing_prefix

SECONDS_BETWEEN_LINES = 10.0


def start_above(
    model: PreTrainedModel,
    depth: int,
    tables: list[TokenTable],
    *,
    objective: Objective,
    precision: Precision,
    memo_gib: float,
    pad_token_id: int,
    memos: Path,
) -> tuple[StoredPrefix | None, list[TokenTable]]:
    """Return the tables with what the lowest layers give for their tokens, and these layers' hooks.

    None and the tables as they are, where there are no such layers, the model can't do it, or it would take
    more than `memo_gib`.

    Args:
        depth: layers that give the same each time: frozen, or of a model that does not learn now.
        tables: the first has a row.

    Raises:
        InputError: the disk has too little room.
        OSError: the disk is full or not writable.
    """
    if not depth or not memo_gib:
        return None, tables
    prefix = passing_prefix(model, depth, tables[0], objective=objective, pad_token_id=pad_token_id)
    if prefix is None:
        return None, tables
    device: torch.device = model.device
    sizes = [memo_bytes(table, width=prefix.width, precision=precision) for table in tables]
    budget = int(memo_gib * 2**30)
    layers = f"the {prefix.depth} lowest layers" if prefix.depth > 1 else "the lowest layer"
    size = f"{sum(sizes) / 2**20:,.0f} MiB"
    if sum(sizes) > budget:
        print(
            f"{layers} hold still, but what they give would take {size} and compute.prefix_memo_gib allows "
            f"{memo_gib:g} GiB: they run each time",
            flush=True,
        )
        prefix.remove()
        return None, tables
    packing = packed_layers(model, tables[0], above=0, objective=objective, pad_token_id=pad_token_id)
    keys = [memo_key(model, prefix, table, packing=packing, precision=precision) for table in tables]
    paths = [memos / f"{key}.npy" for key in keys]
    found = []
    try:
        # Trainings side by side want the same ones: the first makes them, the others wait.
        with held(memos / "memos.lock", wait_seconds=float("inf")):
            missing = sum(bytes_ for path, bytes_ in zip(paths, sizes, strict=True) if not path.exists())
            if missing:
                make_room(memos, needed=missing, budget=budget, keep=paths)
            if missing > (free := shutil.disk_usage(memos).free):
                # Not run each time instead: sums would be rounded otherwise, as the disk has it.
                raise InputError(
                    f"{layers} hold still, and what they give takes {missing / 2**20:,.0f} MiB of the disk "
                    f"that holds {memos}, which has {free / 2**20:,.0f} MiB free; free some (`tritune "
                    "prune` shows what nothing needs), or set compute.prefix_memo_gib to 0 in params.yaml: "
                    "they run each time"
                )
            print(
                f"{layers} hold still and run once for all trainings; what they give takes {size}", flush=True
            )
            for table, path in zip(tables, paths, strict=True):
                if (memo := read_memo(path)) is None:
                    printed = time.monotonic()
                    for done in fill_memo(
                        path,
                        model=model,
                        prefix=prefix,
                        packing=packing,
                        table=table,
                        pad_token_id=pad_token_id,
                        device=device,
                        precision=precision,
                    ):
                        if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
                            printed = time.monotonic()
                            print(
                                f"{done:,} of {len(table.tokens):,} tokens have passed {layers}", flush=True
                            )
                    memo = read_memo(path)
                found.append(replace(table, prefix_output=memo))
    except BaseException:
        prefix.remove()
        raise
    finally:
        if packing is not None:
            packing.remove()
    return_freed_memory()
    return prefix, found
