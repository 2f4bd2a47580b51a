"""The tuning plan: which tensors learn, at which rate, from which step on."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Group:
    """Tensors that are treated alike."""

    name: str
    """Unique. The part of the model they belong to (embeddings, layer.0, ..., final, head), with /1, /2, ...
    for further groups of the part: those without weight decay, or with a rate of their own."""

    tensors: tuple[str, ...]
    """As in `model.named_parameters()`."""

    parameters: int
    lr: float | None
    """Peak learning rate; None: frozen."""

    weight_decay: bool
    """False for norms and biases."""

    exponent: int | None
    """With layer-wise rates, how often `decay` is multiplied into the rate; else None."""

    share_of_compute: float
    """Of the plan's trained compute, over all phases, in [0, 1]."""

    fixed: bool = False
    """The rate was given in params.yaml as a number of its own: a sweep of the method's rate leaves it."""

    @property
    def part(self) -> str:
        """The part of the model that it belongs to."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Phase:
    """A stretch of the training in which the same groups learn."""

    start: float
    """Share of all steps at which it begins, in [0, 1); the first one's is 0."""

    groups: tuple[str, ...]
    """Names of the groups that learn; the others hold still."""

    compute_per_token: float = 0.0
    """As the plan's `trained_compute_per_token`, but of this phase alone; 0 where nobody counted it."""


@dataclass(frozen=True)
class Adapters:
    """Which layers get an adapter, and of which size."""

    rank: int
    alpha: float
    dropout: float
    """In [0, 1): of the adapters' input, in training."""

    modules: tuple[str, ...]
    """Names of the linear layers, as in `model.named_modules()`."""


@dataclass(frozen=True)
class TuningPlan:
    """One method, compiled for one model."""

    architecture: str
    kind: str
    """A method's kind, as in params.yaml."""

    groups: tuple[Group, ...]
    """Lowest part first. Every tensor of the model is in exactly one."""

    phases: tuple[Phase, ...]
    new_tensors: tuple[str, ...]
    """Not in the base model: initialised from the seed."""

    layers: int
    tensors_total: int
    parameters_total: int
    parameters_trainable: int
    """Of what learns in any phase."""

    trained_compute_per_token: float
    """Floating-point operations of matrix products, forward and backward, per token: the mean over the
    training, each phase weighted with its length."""

    notes: tuple[str, ...]
    """What a person should know about how the plan came about, a sentence each."""

    adapters: Adapters | None = None
    """What is put into the model before its tensors are those of the groups; None: nothing."""

    def begins(self, group: str) -> float:
        """Return the share of all steps at which a group begins to learn; 0 for one that never does."""
        return next((phase.start for phase in self.phases if group in phase.groups), 0.0)

    @property
    def peak_lr(self) -> float:
        """The highest rate of any group."""
        return max(group.lr for group in self.groups if group.lr is not None)

    @property
    def phase_lengths(self) -> tuple[float, ...]:
        """Share of all steps that each phase takes; together 1."""
        ends = [*(phase.start for phase in self.phases[1:]), 1.0]
        return tuple(end - phase.start for phase, end in zip(self.phases, ends, strict=True))

    def to_json(self) -> str:
        """Return the plan as JSON, the same bytes for the same plan."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "TuningPlan":
        """Return the plan that `to_json` wrote.

        Raises:
            TypeError: A key is missing or unknown.
        """
        content = json.loads(text)
        groups = [{**group, "tensors": tuple(group["tensors"])} for group in content.pop("groups")]
        phases = [{**phase, "groups": tuple(phase["groups"])} for phase in content.pop("phases")]
        adapters = content.pop("adapters", None)
        if adapters is not None:
            adapters = Adapters(**{**adapters, "modules": tuple(adapters["modules"])})
        return cls(
            adapters=adapters,
            groups=tuple(Group(**group) for group in groups),
            phases=tuple(Phase(**phase) for phase in phases),
            new_tensors=tuple(content.pop("new_tensors")),
            notes=tuple(content.pop("notes")),
            **content,
        )
