"""Adaptive fine-tuning: low layers learn slowly, top layers faster.

Source: Howard & Ruder 2018 (ULMFiT), https://arxiv.org/abs/1801.06146, who divide the rate by 2.6 per layer
going down, and Sun et al. 2019, https://arxiv.org/abs/1905.05583, section 5.3.3, who multiply by 0.95.
Where we differ from Sun et al.'s code: the embeddings take part, one below the lowest layer.

The exponent of `decay` is a part's depth: see `tritune.plan.depth`. For rates by the gradient's norm see
`tritune.sweep.gradient_norm`.
"""

from collections.abc import Collection

from tritune.errors import InputError
from tritune.models.layers import Anatomy
from tritune.plan.depth import depths
from tritune.plan.rate import Rate, matching
from tritune.settings.method import AdaptiveSettings

Settings = AdaptiveSettings


def rates(
    anatomy: Anatomy,
    settings: AdaptiveSettings,
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
        InputError: A pattern matches nothing, two claim one tensor, or `body_lr` where there is no head.
    """
    if settings.decay is not None:
        return _decaying(anatomy, settings.decay)
    if settings.rates == "gradient_norm":
        # The stage `sweep` measures by how much each part differs: a plan knows shapes, but no weights.
        return {name: Rate() for name in anatomy.order}
    if settings.rates is not None:
        return _by_pattern(anatomy, settings.rates, key=key)
    if not any(part.role == "head" for part in anatomy.parts):
        raise InputError(
            f"{key}.body_lr: the {anatomy.architecture} has no head of its own: its output layer shares the "
            f"matrix of the embeddings (got {settings.body_lr:g}); give `decay` or `rates` instead"
        )
    body = Rate(absolute=settings.body_lr)
    return {
        tensor.name: Rate() if part.role == "head" else body
        for part in anatomy.parts
        for tensor in part.tensors
    }


def _decaying(anatomy: Anatomy, decay: float) -> dict[str, Rate]:
    depth = depths(anatomy)
    return {
        tensor.name: Rate(multiple=decay ** depth[part.name], exponent=depth[part.name])
        for part in anatomy.parts
        for tensor in part.tensors
    }


def _by_pattern(anatomy: Anatomy, patterns: dict[str, float], *, key: str) -> dict[str, Rate]:
    claimed: dict[str, str] = {}
    found = {name: Rate() for name in anatomy.order}
    for pattern, lr in patterns.items():
        for name in sorted(matching(pattern, anatomy.order, key=f"{key}.rates")):
            if name in claimed:
                raise InputError(
                    f"{key}.rates: {name} is claimed by two patterns, {claimed[name]!r} and {pattern!r}; "
                    "make them exclude each other"
                )
            claimed[name] = pattern
            found[name] = Rate(absolute=lr)
    return found
