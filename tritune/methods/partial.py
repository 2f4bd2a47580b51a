"""Partial fine-tuning: some parameters are frozen, usually the lowest layers, against overfitting.

The tutorials' `for p in list(model.parameters())[:-10]: p.requires_grad = False` freezes all but the last
ten *tensors*, not "the first ten layers" as their text often says. Here both can be said:
`train_last_tensors: 10`, and `freeze_layers: 10`.
"""

from collections.abc import Collection

from tritune.errors import InputError
from tritune.models.layers import Anatomy
from tritune.plan.rate import FROZEN, Rate, matching
from tritune.settings.method import PartialSettings

Settings = PartialSettings


def rates(
    anatomy: Anatomy,
    settings: PartialSettings,
    *,
    new_tensors: Collection[str],  # noqa: ARG001
    key: str,
) -> dict[str, Rate]:
    """Return every tensor's rate by name.

    Args:
        anatomy: The model, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: More layers or tensors than the model has, or a pattern that matches nothing.
    """
    frozen = _frozen(anatomy, settings, key=key)
    return {tensor.name: FROZEN if tensor.name in frozen else Rate() for tensor in anatomy.tensors}


def _frozen(anatomy: Anatomy, settings: PartialSettings, *, key: str) -> set[str]:
    layers = len(anatomy.layers)
    if settings.freeze_patterns is not None:
        names = anatomy.order
        patterns = settings.freeze_patterns
        return {n for pattern in patterns for n in matching(pattern, names, key=f"{key}.freeze_patterns")}
    if settings.train_last_tensors is not None:
        last = settings.train_last_tensors
        if last > len(anatomy.order):
            raise InputError(
                f"{key}.train_last_tensors: the model has {len(anatomy.order)} tensors (got {last}); "
                f"give at most {len(anatomy.order)}"
            )
        return set(anatomy.order[:-last])
    if settings.freeze_layers is not None:
        if settings.freeze_layers > layers:
            raise InputError(
                f"{key}.freeze_layers: the model has {layers} layers (got {settings.freeze_layers}); "
                f"give 0 to {layers}"
            )
        return _up_to_layer(anatomy, settings.freeze_layers)
    fraction = settings.freeze_fraction or 0.0
    # Half a layer rounds up: a fraction above 0 should not do nothing without need.
    return _up_to_layer(anatomy, int(fraction * layers + 0.5))


def _up_to_layer(anatomy: Anatomy, count: int) -> set[str]:
    """Return the tensors of the lowest `count` layers and of all that lies below the highest of them."""
    if count == 0:
        return set()
    top = anatomy.parts.index(anatomy.layers[count - 1])
    return {tensor.name for part in anatomy.parts[: top + 1] for tensor in part.tensors}
