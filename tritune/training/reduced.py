"""Leave out of a training the work that does not change its result.

That is the rows of an embedding that nothing looks up, running again what is frozen and gives the same each
time, padding, drawing numbers one by one where bits do, and telling a GPU the same again and again.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from tritune.models.modes import evaluating
from tritune.objectives.objective import Objective
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.batches import collate, steps_per_epoch
from tritune.training.cache_off import CacheOff
from tritune.training.compiled import CompiledLayers, compiled_layers
from tritune.training.dropout import FastDropout
from tritune.training.embedding_rows import CutEmbedding, cut_embedding, left_of_unseen
from tritune.training.linear import FastLinear
from tritune.training.packing import Packing, packed_layers
from tritune.training.prefix_memo import Precision
from tritune.training.processes import ALONE, Processes
from tritune.training.recompute import RecomputedLayers, recompute_layers
from tritune.training.recorded import RecordedPasses, recorded_passes
from tritune.training.start_above import start_above
from tritune.training.state import TrainingState
from tritune.training.stored_prefix import StoredPrefix, frozen_depth
from tritune.training.trial_pass import insist_on_same_bits


@dataclass(frozen=True)
class ReducedTraining:
    """What a training is driven with until `undo`."""

    training: TokenTable
    validation: TokenTable

    prefix_seconds: float
    """Taken by finding out what the frozen layers give, or by waiting for it."""

    recorded: RecordedPasses | None
    """What is to do the training's passes, on a GPU."""

    same_bits: bool
    """Whether the training gives the same bits each time on this machine."""

    _cut: CutEmbedding | None
    _prefix: StoredPrefix | None
    _packing: Packing | None
    _recomputed: RecomputedLayers | None
    _compiled: CompiledLayers | None
    _cache: CacheOff
    _dropout: FastDropout
    _linear: FastLinear | None
    _on_gpu: bool

    @property
    def compiled(self) -> bool:
        """Whether the layers are."""
        return self._compiled is not None

    def undo(self, state: TrainingState, plan: TuningPlan, *, settings: TrainSettings) -> None:
        """Make the model whole again, as the full work would have left it.

        Args:
            state: at the end of its training.
        """
        if self._on_gpu:
            torch.use_deterministic_algorithms(True, warn_only=True)
        self._dropout.remove()
        if self._linear is not None:
            self._linear.remove()
        self._cache.remove()
        if self._compiled is not None:
            self._compiled.remove()
        if self._recomputed is not None:
            self._recomputed.remove()
        if self._packing is not None:
            self._packing.remove()
        if self._prefix is not None:
            self._prefix.remove()
        if self._cut is not None:
            total = settings.epochs * steps_per_epoch(self.training.rows, batch_size=settings.batch_size)
            kept = next(int(row["step"]) for row in state.history if row["epoch"] == state.best_epoch)
            left = left_of_unseen(plan, self._cut.name, settings=settings, steps=kept, total=total)
            self._cut.put_back(left=left)


def reduce_training(
    model: PreTrainedModel,
    plan: TuningPlan,
    training: TokenTable,
    validation: TokenTable,
    *,
    objective: Objective,
    precision: Precision,
    memo_gib: float,
    recompute: bool = False,
    compiles: bool = False,
    pad_token_id: int,
    memos: Path,
    processes: Processes = ALONE,
) -> ReducedTraining:
    """Change the model so that it does no needless work, and return the tables to train it with.

    To be called before the optimizer is made, which holds what the model then has.

    Args:
        model: on the device that it is trained on.
        precision: of the matrix products, in the frozen layers as in the others.
        memo_gib: disk space for all memos, in GiB; 0: the frozen layers run each time.
        recompute: whether layers are to keep no activations; see `tritune.training.recompute`.
        compiles: whether layers are to be compiled; see `tritune.training.compiled`.
        memos: folder, shared by trainings, for what can be made again at any time.
        processes: that share the training, all of which call this together. Where they are to hold parts of
            the model, it is still whole.

    Raises:
        OSError: the disk is full or not writable.
    """
    if processes.sharded:
        print("compute.shard: the embedding keeps all its rows, and frozen layers run each time", flush=True)
        # An objective tries a model when it first asks it; parts can't be asked in ways that may fail.
        with evaluating(model), torch.inference_mode():
            objective.outputs(model, collate(training, np.arange(1), pad_token_id=pad_token_id))
    cut = None if processes.sharded else cut_embedding(model, plan, (training, validation))
    if cut is not None:
        print(
            f"{cut.rows_kept:,} of the embedding's {cut.rows:,} rows occur in the data and learn", flush=True
        )
    # What is compiled, or held in parts by several processes, has other ways.
    compiles = compiles and not recompute and not processes.sharded
    linear = None if compiles or processes.sharded else FastLinear(model)
    started = time.monotonic()
    prefix, tables = start_above(
        model,
        0 if processes.sharded else frozen_depth(model, plan),
        [training, validation],
        objective=objective,
        precision=precision,
        memo_gib=memo_gib,
        pad_token_id=pad_token_id,
        memos=memos,
    )
    seconds = time.monotonic() - started
    if linear is not None:
        linear.forget()  # of layers that need not run again
    # Not sooner: what the frozen layers give is shared with stages that know a model by its configuration.
    cache = CacheOff(model)
    packing, (training, validation) = leave_out_padding(
        model,
        prefix,
        tables,
        objective=objective,
        pad_token_id=pad_token_id,
        only_read=not processes.sharded,
    )
    recomputed = keep_no_activations(model, prefix, packing) if recompute else None
    same_bits = insist_on_same_bits(
        model, training, objective=objective, precision=precision, pad_token_id=pad_token_id
    )
    compiled = None
    if compiles:
        compiled = compiled_layers(
            model, training, objective=objective, precision=precision, pad_token_id=pad_token_id
        )
        linear = FastLinear(model) if compiled is None else None
    recorded = None
    if recomputed is None and processes is ALONE:
        recorded = recorded_passes(packing, training, pad_token_id=pad_token_id)
    return ReducedTraining(
        training=training,
        validation=validation,
        prefix_seconds=seconds,
        recorded=recorded,
        same_bits=same_bits,
        _cut=cut,
        _prefix=prefix,
        _packing=packing,
        _recomputed=recomputed,
        _compiled=compiled,
        _cache=cache,
        _dropout=FastDropout(model),
        _linear=linear,
        _on_gpu=model.device.type == "cuda",
    )


def keep_no_activations(
    model: PreTrainedModel, prefix: StoredPrefix | None, packing: Packing | None
) -> RecomputedLayers | None:
    """Let the layers that run compute their activations again; None, said, where that can't be done."""
    above = 0 if prefix is None else prefix.depth
    recomputed = recompute_layers(model, above=above, packing=packing)
    if recomputed is None:
        reason = "the model has no single stack of layers above what is frozen"
        if packing is not None and packing.reads is not None:
            reason = "the only layer above what is frozen runs for the tokens that are read, and keeps little"
        print(f"compute.recompute_activations changes nothing here: {reason}", flush=True)
    return recomputed


def leave_out_padding(
    model: PreTrainedModel,
    prefix: StoredPrefix | None,
    tables: list[TokenTable],
    *,
    objective: Objective,
    pad_token_id: int,
    only_read: bool = True,
) -> tuple[Packing | None, list[TokenTable]]:
    """Return the hooks that lay rows end to end, and the tables whose batches they take.

    None and the tables as they are, where the model can't do it.

    Args:
        prefix: as `start_above` gave it; padding runs through no layer above.
        tables: the first has a row.
        only_read: whether the top layer may run for those tokens alone that are read above it.
    """
    packing = packed_layers(
        model,
        tables[0],
        above=0 if prefix is None else prefix.depth,
        objective=objective,
        pad_token_id=pad_token_id,
        only_read=only_read,
    )
    if prefix is not None:
        prefix.casts = packing is None
    return packing, [replace(table, packed=packing is not None) for table in tables]
