"""The settings of each kind of fine-tuning, under `method.NAME` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tritune.settings.section import Section

Rate = Annotated[float, Field(gt=0, le=1)]
RateOrWord = Rate | Literal["auto", "sweep"]
"""auto: derived from the model. sweep: the best of several around that, found by short trainings."""

Pattern = Annotated[str, Field(min_length=1)]


class FullSettings(Section):
    """All parameters learn."""

    kind: Literal["full"]
    lr: RateOrWord = "auto"
    """Peak learning rate. auto: from the model's width and whether its head is new."""

    head_lr: Rate | None = None
    """Of the task head. None: as `lr`."""


class PartialSettings(Section):
    """Some parameters are frozen. In exactly one way it is said which."""

    kind: Literal["partial"]
    lr: RateOrWord = "auto"
    head_lr: Rate | None = None
    freeze_layers: Annotated[int, Field(ge=0)] | None = None
    """Number of lowest layers; the embeddings are frozen with them. 0 freezes nothing."""

    freeze_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the layers from the bottom, rounded to the nearest layer; embeddings with them."""

    freeze_patterns: Annotated[list[Pattern], Field(min_length=1)] | None = None
    """Shell patterns of tensor names, for example `*.embeddings.*`."""

    train_last_tensors: Annotated[int, Field(ge=1)] | None = None
    """Freeze all but the last N tensors: the tutorials' `parameters()[:-N]`."""

    @model_validator(mode="after")
    def _one_way(self) -> "PartialSettings":
        ways = ("freeze_layers", "freeze_fraction", "freeze_patterns", "train_last_tensors")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"must say in exactly one way what is frozen: {', '.join(ways)} (got {found})")
        return self


class AdaptiveSettings(Section):
    """Parts learn at different rates, given in exactly one way."""

    kind: Literal["adaptive"]
    lr: RateOrWord = "auto"
    """Of the top layer; what `decay` and the other keys leave out learns at this rate."""

    head_lr: Rate | None = None
    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Factor per layer going down; embeddings are one below the lowest layer."""

    body_lr: Rate | None = None
    """Two groups: everything below the head learns at this rate, the head at `head_lr` or `lr`."""

    rates: Annotated[dict[Pattern, Rate], Field(min_length=1)] | Literal["gradient_norm"] | None = None
    """Shell pattern of tensor names -> learning rate. gradient_norm: each layer's rate is in proportion to
    the norm of its gradient beside that of its weights, as the stage `sweep` measures them at the start."""

    @model_validator(mode="after")
    def _one_way(self) -> "AdaptiveSettings":
        given = [way for way in ("decay", "body_lr", "rates") if getattr(self, way) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"must give the rates in exactly one way: decay, body_lr, rates (got {found})")
        return self


class ProbeThenFullSettings(Section):
    """The head learns alone at first, then everything."""

    kind: Literal["probe_then_full"]
    lr: RateOrWord = "auto"
    head_lr: Rate | None = None
    """None: as `lr`; with `lr: auto` as for a head on a frozen body, alone as it is at first."""

    head_share: Annotated[float, Field(gt=0, lt=1)] = 0.33
    """Share of all steps in which the head learns alone, rounded to a whole step."""


class GradualSettings(Section):
    """One layer more at a time learns, from the top down."""

    kind: Literal["gradual"]
    lr: RateOrWord = "auto"
    """Of the top layer."""

    head_lr: Rate | None = None
    unfreeze_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of all steps after which the embeddings, the last, learn too; the layers begin evenly before."""

    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Factor per layer going down, as of kind adaptive. None: one rate for all."""


class NormsAndBiasesSettings(Section):
    """Norms, biases and what is new learn."""

    kind: Literal["norms_and_biases"]
    lr: RateOrWord = "auto"
    head_lr: Rate | None = None


class LoraSettings(Section):
    """Low-rank adapters and what is new learn."""

    kind: Literal["lora"]
    lr: RateOrWord = "auto"
    head_lr: Rate | None = None
    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    """What an adapter gives counts alpha / rank times."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of what goes into an adapter, in training."""

    modules: Literal["auto"] | Annotated[list[Pattern], Field(min_length=1)] = "auto"
    """Shell patterns of the names of linear layers, for example `*.query`. auto: all below the head that are
    not smaller than the rank."""


MethodSettings = Annotated[
    FullSettings
    | PartialSettings
    | AdaptiveSettings
    | ProbeThenFullSettings
    | GradualSettings
    | NormsAndBiasesSettings
    | LoraSettings,
    Field(discriminator="kind"),
]


def needs_sweep(settings: MethodSettings) -> bool:
    """Return whether the stage `sweep` has to find out something before the method's trainings begin."""
    return settings.lr == "sweep" or by_gradient_norm(settings)


def by_gradient_norm(settings: MethodSettings) -> bool:
    """Return whether each layer's rate follows from its gradient at the start."""
    return isinstance(settings, AdaptiveSettings) and settings.rates == "gradient_norm"
