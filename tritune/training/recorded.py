"""Passes there and back through the model that a GPU was told once, and then does again without being told.

Telling a GPU the thousand operations of a pass takes a processor longer than a fast GPU takes to do them. A
pass of sizes that were seen before is recorded, as a CUDA graph, and replayed on other rows from then on. For
that, sizes have to come back: rows lie end to end, and fillers make their tokens a multiple of some number.
Fillers look at nobody and nobody looks at them, so they change no loss and no gradient.

All chance inside a replayed pass hangs on the seed of its step, as in any other.

Source: Nguyen et al. 2021, https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs/.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim import Optimizer

from tritune.tokens import IGNORED, TokenTable
from tritune.training.batches import Batch
from tritune.training.packing import Packing
from tritune.training.row_layout import RowLayout
from tritune.training.transfer import put_into

MOST_RECORDINGS = 32
"""Sizes that are recorded; passes of others are run as ever."""

SIZES = 32
"""Into which the tokens of equally many rows are sorted."""

Pass = Callable[[Batch, torch.Tensor], torch.Tensor]
"""From a batch and [] the terms of the whole step to [] its share of the step's mean loss, with gradients."""

Recorder = Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]]
"""From what is to be recorded to what does it again."""


def recorded_passes(
    packing: Packing | None, table: TokenTable, *, pad_token_id: int
) -> "RecordedPasses | None":
    """Return what is to do the passes of a training; None where they can't be recorded.

    Args:
        packing: of the model, if it has any.
        table: whose rows are trained on.
    """
    if packing is None or not packing.longest_without_mask or packing.device.type != "cuda":
        return None
    return RecordedPasses(packing, table, pad_token_id=pad_token_id, recorder=CudaGraphs())


@dataclass
class Slot:
    """The tensors that passes of one size read, always the same ones."""

    batch: Batch
    terms: torch.Tensor
    layout: RowLayout
    has_run: bool = False
    """Whether a pass has read them: what is to be recorded has to have run once."""

    replay: Callable[[], torch.Tensor] | None = None


class RecordedPasses:
    """Does passes, and records those whose sizes come back."""

    def __init__(self, packing: Packing, table: TokenTable, *, pad_token_id: int, recorder: Recorder) -> None:
        """Record nothing yet.

        Args:
            packing: of the model; its rows need no mask.
            table: whose rows are trained on.
            recorder: on a GPU `CudaGraphs`.
        """
        self._packing, self._pad = packing, pad_token_id
        self._longest = int(table.lengths.max())
        self._most_labels = 0 if table.label_offsets is None else int(np.diff(table.label_offsets).max())
        self._recorder = recorder
        self._slots: dict[tuple[int, int, bool], Slot] = {}
        self.failed: str | None = None
        """Why nothing is recorded any more."""

    def run(self, batch: Batch, terms: float, do: Pass, *, first: bool) -> torch.Tensor:
        """Do a pass; return its loss, which the next pass may overwrite.

        Args:
            batch: on the CPU, of rows of the table.
            terms: of the whole step's loss.
            do: on tensors on the model's device; it must do the same for all batches of one size.
            first: whether it is its step's first: then no gradient of an earlier step is left.
        """
        slot = self._slot(batch, terms, first=first)
        if slot is None:
            device = self._packing.device
            with self._gradients(first):
                return do(batch.to(device), torch.tensor(float(terms), device=device))
        if slot.replay is not None:
            return slot.replay()

        def again() -> torch.Tensor:
            self._packing.fixed = slot.layout
            try:
                with self._gradients(first):
                    return do(slot.batch, slot.terms)
            finally:
                self._packing.fixed = None

        if not slot.has_run:
            slot.has_run = True
            return again()
        try:
            slot.replay = self._recorder(again)
        except Exception as error:  # of whatever a model does that can't be recorded
            self.failed = str(error).strip().partition("\n")[0]
            print(f"passes are not recorded, which changes nothing but the speed: {self.failed}", flush=True)
            self._slots.clear()
            return again()
        return slot.replay()

    def _gradients(self, first: bool) -> contextlib.AbstractContextManager[None]:
        return overwritten_gradients(self._packing.parameters) if first else contextlib.nullcontext()

    def start_anew(self, optimizer: Optimizer) -> None:
        """Forget all recordings: from now on something else learns."""
        optimizer.zero_grad(set_to_none=True)
        self._slots.clear()

    def _slot(self, batch: Batch, terms: float, *, first: bool) -> Slot | None:
        """Return the tensors for a batch, filled with it; None where it is not to be recorded."""
        assert batch.row_lengths is not None
        if self.failed is not None or not self._packing.needs_no_mask(batch.row_lengths):
            return None
        rows, lengths = len(batch.input_ids), batch.row_lengths[:, 0]
        grain = max(1, min(self._longest, rows * self._longest // SIZES))
        tokens = min(-(-int(lengths.sum()) // grain) * grain, rows * self._longest)
        key, wide = (rows, tokens, first), self._wide(batch)
        if (slot := self._slots.get(key)) is not None:
            slot.layout.put(lengths)
            slot.terms.fill_(float(terms))
            for field in fields(Batch):
                there, values = getattr(slot.batch, field.name), getattr(wide, field.name)
                if there is not None and field.name != "row_lengths":
                    put_into(there, values)
        elif len(self._slots) < MOST_RECORDINGS:
            device = self._packing.device
            layout = RowLayout(lengths, longest=self._longest, device=device, tokens=tokens)
            slot = Slot(wide.to(device), torch.tensor(float(terms), device=device), layout)
            self._slots[key] = slot
        return slot

    def _wide(self, batch: Batch) -> Batch:
        """Return the batch with as many places as any row of the table needs."""
        beyond = self._longest - batch.input_ids.shape[1]

        def wider(values: torch.Tensor | None, fill: float) -> Any:
            if values is None:
                return None
            shape = (0, 0, 0, beyond) if values.ndim == 3 else (0, beyond)
            return F.pad(values, shape, value=fill)

        labels = batch.labels
        if labels.ndim == 2:
            labels = F.pad(labels, (0, self._most_labels - labels.shape[1]), value=IGNORED)
        return replace(
            batch,
            input_ids=wider(batch.input_ids, self._pad),
            attention_mask=wider(batch.attention_mask, 0),
            token_type_ids=wider(batch.token_type_ids, 0),
            prefix_output=wider(batch.prefix_output, 0),
            labels=labels,
        )


@contextlib.contextmanager
def overwritten_gradients(parameters: Iterable[torch.nn.Parameter]) -> Iterator[None]:
    """Let a way back write its gradients over those that are there instead of adding to them.

    Tensors of gradients stay where they are, and need not be cleared before. A parameter without one gets
    one as ever; of one that the way back does not reach it becomes 0.
    """
    kept = {parameter: parameter.grad for parameter in parameters if parameter.grad is not None}
    reached = set()

    def put(parameter: torch.Tensor) -> None:
        assert isinstance(parameter, torch.nn.Parameter)
        assert parameter.grad is not None
        kept[parameter].copy_(parameter.grad)
        parameter.grad = None
        reached.add(parameter)

    hooks = [parameter.register_post_accumulate_grad_hook(put) for parameter in kept]
    for parameter in kept:
        parameter.grad = None
    try:
        yield
        for parameter in kept.keys() - reached:
            kept[parameter].zero_()
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, gradient in kept.items():
            parameter.grad = gradient


class CudaGraphs:
    """Records passes as CUDA graphs, which share their memory: no two of them run at the same time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def __call__(self, run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            loss = run()

        def replay() -> torch.Tensor:
            graph.replay()
            return loss

        return replay
