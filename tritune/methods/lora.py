"""Low-rank adapters and what is new learn; the base stays as it is, until the adapters are merged into it.

Source: Hu et al. 2021 (LoRA), https://arxiv.org/abs/2106.09685. Where we differ: `modules: auto` adapts every
linear layer below the head that is not smaller than the rank, not the queries and values alone; and the
checkpoint has no adapters any more.
"""

from collections.abc import Collection

from transformers import PreTrainedModel

from tritune.errors import InputError
from tritune.models.adapters import adaptable_modules
from tritune.models.layers import Anatomy
from tritune.plan.rate import FROZEN, Rate, matching
from tritune.plan.tuning_plan import Adapters
from tritune.settings.method import LoraSettings

Settings = LoraSettings


def adapters(
    model: PreTrainedModel,
    anatomy: Anatomy,
    settings: LoraSettings,
    *,
    new_tensors: Collection[str],
    key: str,
) -> Adapters:
    """Return which layers of a model get adapters.

    Args:
        model: With or without its weights, and without adapters.
        anatomy: The same, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: The model has no linear layer to adapt, a pattern matches none, or the rank is more than
            one that is named has, or with `auto` than all have.
    """
    names = adaptable_modules(model, anatomy, new=new_tensors)
    if not names:
        raise InputError(
            f"{key}: the model has no pretrained linear layer below its head for adapters to stand beside; "
            "give another kind, such as full or partial"
        )
    sizes = {name: min(model.get_submodule(name).weight.shape) for name in names}
    if settings.modules == "auto":
        # Gates and regressions on a few numbers are no matrices worth an adapter.
        names = tuple(name for name in names if sizes[name] >= settings.rank)
        if not names:
            largest = max(sizes.values())
            raise InputError(
                f"{key}.rank: no linear layer below the head has more than rank {largest} itself (got "
                f"{settings.rank}); give 1 to {largest}"
            )
    else:
        chosen = {
            name
            for pattern in settings.modules
            for name in matching(pattern, names, key=f"{key}.modules", what="linear layer")
        }
        names = tuple(name for name in names if name in chosen)
        smallest = min(names, key=sizes.__getitem__)
        if settings.rank > sizes[smallest]:
            raise InputError(
                f"{key}.rank: {smallest} has rank {sizes[smallest]} itself (got {settings.rank}); give at "
                f"most {sizes[smallest]}, or choose layers without it by {key}.modules"
            )
    return Adapters(settings.rank, settings.alpha, settings.dropout, names)


def rates(
    anatomy: Anatomy,
    _: LoraSettings,
    *,
    new_tensors: Collection[str],
    key: str,  # noqa: ARG001
) -> dict[str, Rate]:
    """Return every tensor's rate by name.

    Args:
        anatomy: The model with its adapters, taken apart.
        new_tensors: Names of the tensors that the base model does not have, the adapters' among them.
        key: Where the settings stand in params.yaml.
    """
    return {name: Rate() if name in new_tensors else FROZEN for name in anatomy.order}
