"""The settings of each kind of fine-tuning, under `method.NAME` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from tritune.settings.section import Section

Rate = Annotated[float, Field(gt=0, le=1)]
RateOrAuto = Rate | Literal["auto"]


class FullSettings(Section):
    """All parameters learn."""

    kind: Literal["full"]
    lr: RateOrAuto = "auto"
    """Peak learning rate. auto: from the model's width and whether its head is new."""

    head_lr: RateOrAuto | None = None
    """Of the task head. None: as `lr`."""


class PartialSettings(Section):
    """Some parameters are frozen. Exactly one of the `freeze_*` and `train_*` keys is set."""

    kind: Literal["partial"]
    lr: RateOrAuto = "auto"
    head_lr: RateOrAuto | None = None
    freeze_layers: Annotated[int, Field(ge=0)] | None = None
    """Number of lowest layers; the embeddings are frozen with them."""

    freeze_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the layers from the bottom, rounded to the nearest layer; embeddings with them."""

    freeze_patterns: list[str] | None = None
    """Shell patterns of tensor names, for example `*.embeddings.*`."""

    train_last_tensors: Annotated[int, Field(ge=1)] | None = None
    """Freeze all but the last N tensors: the tutorials' `parameters()[:-N]`."""


class AdaptiveSettings(Section):
    """Parts learn at different rates. At most one of `decay`, `body_lr` and `rates` is set."""

    kind: Literal["adaptive"]
    lr: RateOrAuto = "auto"
    """Of the top layer; what `decay` and the other keys leave out learns at this rate."""

    head_lr: RateOrAuto | None = None
    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Factor per layer going down; embeddings are one below the lowest layer."""

    body_lr: Rate | None = None
    """Two groups: everything below the head learns at this rate, the head at `head_lr` or `lr`."""

    rates: dict[str, Rate] | None = None
    """Shell pattern of tensor names -> learning rate."""


MethodSettings = Annotated[FullSettings | PartialSettings | AdaptiveSettings, Field(discriminator="kind")]
