"""Gradual unfreezing: the head learns first, then one more layer at a time from the top, the embeddings last.

Source: Howard & Ruder 2018 (ULMFiT), https://arxiv.org/abs/1801.06146, section 3.3, who unfreeze one more
layer each epoch; their section 3.2 for `decay`, a layer's rate relative to the one above: theirs is 1 / 2.6.
Where we differ: the layers begin evenly over `unfreeze_share` of the steps, since pretrained transformers
have more layers than fine-tunings have epochs. With L layers and E epochs, more than L + 1, an
`unfreeze_share` of (L + 1) / E is one layer an epoch.

What lies right above a layer and below the head (pooler, final norm) begins with the layer. A model without a
head of its own begins with its top layer.
"""

from collections.abc import Collection

from tritune.models.layers import Anatomy
from tritune.plan.depth import depths
from tritune.plan.rate import Rate
from tritune.settings.method import GradualSettings

Settings = GradualSettings


def rates(
    anatomy: Anatomy,
    settings: GradualSettings,
    *,
    new_tensors: Collection[str],
    key: str,  # noqa: ARG001
) -> dict[str, Rate]:
    """Return every tensor's rate by name. What is new learns from the first step, wherever it is.

    Args:
        anatomy: The model, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml.
    """
    depth = depths(anatomy)
    head = any(part.role == "head" for part in anatomy.parts)
    last = max(depth.values()) + head
    found: dict[str, Rate] = {}
    for part in anatomy.parts:
        turn = 0 if part.role == "head" else depth[part.name] + head
        for tensor in part.tensors:
            start = 0.0 if tensor.name in new_tensors else settings.unfreeze_share * turn / last
            if settings.decay is None:
                found[tensor.name] = Rate(start=start)
            else:
                own = depth[part.name]
                found[tensor.name] = Rate(multiple=settings.decay**own, exponent=own, start=start)
    return found
