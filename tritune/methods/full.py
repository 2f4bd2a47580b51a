"""Full fine-tuning: every parameter learns at one rate."""

from tritune.models.layers import Anatomy
from tritune.plan.rate import Rate
from tritune.settings.method import FullSettings

Settings = FullSettings


def rates(anatomy: Anatomy, _: FullSettings, *, key: str) -> dict[str, Rate]:  # noqa: ARG001
    """Return every tensor's rate by name.

    Args:
        anatomy: The model, taken apart.
        key: Where the settings stand in params.yaml.
    """
    return {tensor.name: Rate() for tensor in anatomy.tensors}
