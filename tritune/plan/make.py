"""The plan of one method for one model: from settings in params.yaml to groups of tensors."""

import copy
import importlib
from collections.abc import Collection

from transformers import PreTrainedModel

from tritune.models.adapters import add_adapters, with_adapters
from tritune.models.layers import take_apart
from tritune.plan.compile import compile_plan
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import MethodSettings


def make_plan(
    model: PreTrainedModel, settings: MethodSettings, *, new_tensors: Collection[str], key: str
) -> TuningPlan:
    """Return the plan of a method, whose kind's file is imported for it.

    Args:
        model: Without adapters; it stays as it is. Names and shapes are enough (see `empty_model`).
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: The settings do not fit the model.
    """
    method = importlib.import_module(f"tritune.methods.{settings.kind}")
    anatomy, adapters = take_apart(model), None
    if hasattr(method, "adapters"):
        adapters = method.adapters(model, anatomy, settings, new_tensors=new_tensors, key=key)
        adapted = copy.deepcopy(model)
        new_tensors = [*new_tensors, *add_adapters(adapted, adapters)]
        anatomy = with_adapters(anatomy, adapted)
    rates = method.rates(anatomy, settings, new_tensors=new_tensors, key=key)
    return compile_plan(anatomy, rates, settings, new_tensors=new_tensors, adapters=adapters, key=key)
