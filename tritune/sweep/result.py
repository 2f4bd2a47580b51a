"""What the sweep of a method found: `sweeps/METHOD/sweep.json`, which its trainings follow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tritune.plan.scaled import scaled
from tritune.plan.tuning_plan import TuningPlan
from tritune.sweep.halving import Trial


@dataclass(frozen=True)
class Round:
    """One round of short trainings."""

    share: float
    """Of the steps of a whole training, as it was asked for."""

    epochs: int
    steps: int
    """Of each of its trainings, in all epochs."""

    kept: int
    """Candidates that the next round began with; of the last, 1."""


@dataclass(frozen=True)
class GradientNorm:
    """How large the gradient of one part of the model is at the start of a training."""

    part: str
    gradient: float
    """L2 norm over the part's numbers that learn."""

    weights: float
    """L2 norm of these numbers themselves."""

    proposed: float
    """Factor of the part's rate that follows; 1 where none does."""

    planned: float
    """The part's rate in the plan, beside the geometric mean of the parts that are not new."""


@dataclass(frozen=True)
class Sweep:
    """What a method's trainings do with its plan's rates, and why."""

    reason: str
    """A sentence."""

    factor: float = 1.0
    """Of all rates of the plan but those that params.yaml gives."""

    parts: Mapping[str, float] = field(default_factory=dict)
    """Further factors of single parts of the model, by their names."""

    planned_lr: float | None = None
    """The plan's highest rate of those that the factor holds for; None where nothing was swept."""

    seeds: Sequence[int] = ()
    rounds: Sequence[Round] = ()
    trials: Sequence[Trial] = ()
    """In the order in which they ran."""

    training_steps: int = 0
    """Of one whole training, for comparison with `steps`."""

    steps: int = 0
    """Of all short trainings together."""

    gradient_norms: Sequence[GradientNorm] = ()
    """Lowest part first; empty where they were not taken."""

    def applied_to(self, plan: TuningPlan) -> TuningPlan:
        """Return the plan at the rates to train with; where nothing was swept, the plan as it is."""
        return scaled(plan, self.factor, parts=self.parts)

    def to_json(self) -> str:
        """Return the same bytes for the same sweep."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Sweep":
        """Return the sweep that `to_json` wrote.

        Raises:
            TypeError: A key is missing or unknown.
        """
        content = json.loads(text)
        return cls(
            rounds=tuple(Round(**one) for one in content.pop("rounds")),
            trials=tuple(Trial(**one) for one in content.pop("trials")),
            gradient_norms=tuple(GradientNorm(**one) for one in content.pop("gradient_norms")),
            seeds=tuple(content.pop("seeds")),
            **content,
        )
