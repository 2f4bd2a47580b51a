"""Only norms, biases and what is new learn: less than a hundredth of a large model.

Source: Ben Zaken et al. 2022 (BitFit), https://arxiv.org/abs/2106.10199, who train the biases, the norms'
among them, and the head. Where we differ: the scales of the norms learn too, so that models without biases
(Llama, T5) have something to learn; and a head that is not new keeps its matrix.
"""

from collections.abc import Collection

from tritune.models.layers import Anatomy
from tritune.plan.rate import FROZEN, Rate
from tritune.settings.method import NormsAndBiasesSettings

Settings = NormsAndBiasesSettings


def rates(
    anatomy: Anatomy,
    _: NormsAndBiasesSettings,
    *,
    new_tensors: Collection[str],
    key: str,  # noqa: ARG001
) -> dict[str, Rate]:
    """Return every tensor's rate by name.

    Args:
        anatomy: The model, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml.
    """
    return {
        tensor.name: FROZEN if tensor.decays and tensor.name not in new_tensors else Rate()
        for tensor in anatomy.tensors
    }
