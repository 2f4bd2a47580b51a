"""Full fine-tuning: every parameter learns at one rate."""

from collections.abc import Collection

from tritune.models.layers import Anatomy
from tritune.plan.rate import Rate
from tritune.settings.method import FullSettings

Settings = FullSettings


def rates(
    anatomy: Anatomy,
    _: FullSettings,
    *,
    new_tensors: Collection[str],  # noqa: ARG001
    key: str,  # noqa: ARG001
) -> dict[str, Rate]:
    """Return every tensor's rate by name.

    Args:
        anatomy: The model, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml.
    """
    return {tensor.name: Rate() for tensor in anatomy.tensors}
