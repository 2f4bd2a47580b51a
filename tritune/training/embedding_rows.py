"""Only the rows of an embedding that can learn are trained: those of the tokens that occur in the data.

A row that never occurs has no gradient, so all that AdamW does to it is weight decay, whose sum over the
steps is known in closed form. Cutting such rows off for the time of training and putting them back decayed is
therefore exact but for rounding, and saves their share of the gradient, the optimizer's state and its work.
The token ids stay as they are for everything that reads them: they are mapped where the embedding looks up.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.train import TrainSettings
from tritune.tokens import TokenTable
from tritune.training.loop import phase_starts, rates_at


class CutEmbedding:
    """An embedding without the rows that nothing looks up, until `put_back`.

    The module and its parameter keep their names; the parameter is a new one with fewer rows.
    """

    def __init__(self, module: nn.Embedding, name: str, kept: np.ndarray) -> None:
        """Cut the module in place.

        Args:
            module: its weight is used by no other module.
            name: of the weight, as in `model.named_parameters()`.
            kept: ids of the rows that stay, ascending.
        """
        self.name = name
        self.rows, self.rows_kept = module.num_embeddings, len(kept)
        self._module = module
        self._whole = module.weight
        self._padding_idx = module.padding_idx
        self._kept = torch.from_numpy(kept).to(module.weight.device)
        # An id that was not kept finds no row, rather than another token's.
        self._places = torch.full((self.rows,), -1, device=module.weight.device)
        self._places[self._kept] = torch.arange(len(kept), device=module.weight.device)
        module.weight = nn.Parameter(
            self._whole.detach()[self._kept], requires_grad=self._whole.requires_grad
        )
        module.num_embeddings = self.rows_kept
        if module.padding_idx is not None:
            module.padding_idx = int(self._places[module.padding_idx])
        self._hook = module.register_forward_pre_hook(self._map)

    def _map(self, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._places.to(arguments[0].device)[arguments[0]], *arguments[1:])

    def put_back(self, *, left: float) -> None:
        """Make the module whole again: kept rows as they are now, the others `left` times what they were.

        Args:
            left: what weight decay left of a row that never learned, in [0, 1]; see `left_of_unseen`.
        """
        learned = self._module.weight
        with torch.no_grad():
            self._whole.mul_(left)
            self._whole[self._kept] = learned
        self._hook.remove()
        self._module.weight = self._whole.requires_grad_(learned.requires_grad)
        self._module.num_embeddings, self._module.padding_idx = self.rows, self._padding_idx


def cut_embedding(model: Any, plan: TuningPlan, tables: Iterable[TokenTable]) -> CutEmbedding | None:
    """Cut the model's input embedding to the tokens of these tables, if it learns and that is exact.

    It is not where the model writes text, whose output layer may need every row; where other modules share
    the matrix; and where a look-up of the cut rows is tried and does not give what the whole ones give.

    Args:
        model: of transformers.
        plan: of the training to come.
        tables: all that the model will be asked about until the rows are put back.
    """
    try:
        module = model.get_input_embeddings()
    except NotImplementedError:
        return None
    if not isinstance(module, nn.Embedding) or model.get_output_embeddings() is not None:
        return None
    if module.max_norm is not None or module.scale_grad_by_freq or module.sparse:
        return None
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owners = [m for m in model.modules() if any(p is module.weight for p in m._parameters.values())]
    name = names[id(module.weight)]
    if len(owners) != 1 or name not in {t for g in plan.groups if g.lr is not None for t in g.tensors}:
        return None
    kept = _ids(model.config, module, tables)
    if len(kept) == module.num_embeddings:
        return None
    every = torch.from_numpy(kept)[None].to(module.weight.device)
    with torch.no_grad():
        expected = module(every)
        cut = CutEmbedding(module, name, kept)
        same = torch.equal(module(every), expected)
    if not same:
        cut.put_back(left=1.0)
        return None
    return cut


def left_of_unseen(plan: TuningPlan, name: str, *, settings: TrainSettings, steps: int, total: int) -> float:
    """Return what AdamW's weight decay leaves of a number that has no gradient, as a share in [0, 1].

    Args:
        name: of the number's tensor, as in the plan.
        steps: after which it is wanted.
        total: steps of the whole training, which the learning rate is scheduled over.
    """
    group = next(group for group in plan.groups if name in group.tensors)
    if group.lr is None or not group.weight_decay:
        return 1.0
    phases = phase_starts(plan, total_steps=total)
    left = 1.0
    for step in range(steps):
        if name in phases[max(start for start in phases if start <= step)]:
            share = rates_at(step, total_steps=total, settings=settings)(plan.begins(group.name))
            left *= 1.0 - group.lr * share * settings.weight_decay
    return left


def _ids(config: Any, module: nn.Embedding, tables: Iterable[TokenTable]) -> np.ndarray:
    """Return the ids that can be looked up: the tables', and the special ones that a model puts in itself."""
    settings = {**config.to_dict(), **config.get_text_config().to_dict()}
    special = [value for key, value in settings.items() if key.endswith("_token_id")]
    special.append(module.padding_idx)
    found = [np.unique(table.tokens) for table in tables]
    found += [np.atleast_1d(np.asarray(value, dtype=np.int64)) for value in special if value is not None]
    ids: np.ndarray = np.unique(np.concatenate(found)).astype(np.int64)
    inside: np.ndarray = ids[(ids >= 0) & (ids < module.num_embeddings)]
    return inside
