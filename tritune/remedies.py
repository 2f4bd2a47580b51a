"""What to try against overfitting, the most promising first: entries for params.yaml, each with its reason.

Four remedies are known: to freeze more, to learn more slowly, to stop earlier, and to let a new head learn
first (Kumar et al. 2022, https://arxiv.org/abs/2202.10054). Which comes first follows from when the
validation loss turned, and from what the comparison's other methods show; that is a guess until it is tried.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

from tritune.plan.tuning_plan import TuningPlan

Kind = Literal["frozen", "slower", "shorter", "head_first"]

ORDERS: Mapping[str, Sequence[Kind]] = {
    # At once: the very first epoch took too much.
    "first": ("slower", "head_first", "frozen", "shorter"),
    # Early: there was time enough to learn by heart.
    "early": ("frozen", "slower", "shorter", "head_first"),
    # Late: what came before was good.
    "late": ("shorter", "slower", "frozen", "head_first"),
}


@dataclass(frozen=True)
class Remedy:
    """One thing to try."""

    title: str
    reason: str
    name: str | None
    """Of a further method; None: it is a setting of all trainings."""

    settings: Mapping[str, Any]
    """Of that method, under `method.NAME` in params.yaml; without a name, keys of `train`."""


@dataclass(frozen=True)
class Milder:
    """Another method of the comparison, in which less learns and which does not overfit."""

    name: str
    share: float
    """Of the parameters that learn in the method to mend, in (0, 1)."""

    scores: str
    """Its score and the other's: `validation macro F1 0.912 against 0.905`."""


def remedies(
    name: str,
    settings: Mapping[str, Any],
    plan: TuningPlan,
    *,
    onset: int,
    epochs: int,
    milder: Milder | None,
    taken: Collection[str],
) -> list[Remedy]:
    """Return what to try against a method's overfitting, the most promising first.

    Args:
        name: of the method.
        settings: as in params.yaml.
        plan: what they were compiled to, at the rates that were trained with; where gradient norms say by how
            much its parts differ, without that.
        onset: the epoch of the lowest validation loss.
        epochs: that were allowed.
        milder: evidence that learning less does well here; None: there is none.
        taken: names that the project's methods have already.
    """
    order = list(ORDERS["first" if onset == 1 else "late" if onset > epochs / 2 else "early"])
    if milder is not None:
        order.sort(key=lambda kind: kind != "frozen")
    found = {
        "frozen": _frozen(name, settings, plan, milder),
        "slower": _slower(name, settings, plan, onset=onset, epochs=epochs),
        "shorter": _shorter(onset=onset, epochs=epochs),
        "head_first": _head_first(name, settings, plan, onset=onset),
    }
    return [_renamed(remedy, taken) for kind in order if (remedy := found[kind]) is not None]


def _renamed(remedy: Remedy, taken: Collection[str]) -> Remedy:
    if remedy.name is None or remedy.name not in taken:
        return remedy
    number = next(number for number in count(2) if f"{remedy.name}_{number}" not in taken)
    return replace(remedy, name=f"{remedy.name}_{number}")


def _frozen(name: str, settings: Mapping[str, Any], plan: TuningPlan, milder: Milder | None) -> Remedy | None:
    """Freeze half of the layers that learn; of the last tensors that learn, half."""
    # Where nothing was frozen, a given rate was meant for a whole model; one that is sought is for any.
    kept = ("lr", "head_lr") if settings["kind"] == "partial" else ()
    rates = {key: settings[key] for key in kept if settings.get(key) is not None}
    if settings.get("lr") == "sweep":
        rates["lr"] = "sweep"
    if settings.get("train_last_tensors") is not None:
        if settings["train_last_tensors"] < 2:
            return None
        more: dict[str, Any] = {"train_last_tensors": settings["train_last_tensors"] // 2}
        what = f"all but the last {more['train_last_tensors']} tensors"
    elif settings["kind"] in ("norms_and_biases", "lora") or settings.get("freeze_patterns") is not None:
        return None
    else:
        frozen = settings.get("freeze_layers")
        if frozen is None:
            frozen = round((settings.get("freeze_fraction") or 0.0) * plan.layers)
        if frozen >= plan.layers:
            return None
        more = {"freeze_layers": frozen + -(-(plan.layers - frozen) // 2)}
        what = f"the {more['freeze_layers']} lowest of {plan.layers} layers"
    reason = "what is frozen learns no training row by heart"
    if milder is not None:
        reason = (
            f"in {milder.name} {milder.share:.0%} as many parameters learn, and it does not overfit on the "
            f"same rows ({milder.scores})"
        )
    return Remedy(
        f"freeze more: {what}", reason, f"{name}_frozen", {"kind": "partial", "lr": "auto", **rates, **more}
    )


def _slower(
    name: str, settings: Mapping[str, Any], plan: TuningPlan, *, onset: int, epochs: int
) -> Remedy | None:
    """Learn at half of every rate; at a third where the first epoch was too much already."""
    factor, words = (1 / 3, "a third") if onset == 1 else (1 / 2, "half")

    def scaled(rate: float) -> float:
        return float(f"{rate * factor:.2g}")

    # What has a rate of its own in the settings says nothing of `lr`.
    derived = [(group.name, group.lr) for group in plan.groups if group.lr is not None and not group.fixed]
    head = [rate for name, rate in derived if name.startswith("head")]
    body = [rate for name, rate in derived if not name.startswith("head")]
    top, of_head = max(body or head, default=None), max(head, default=None)
    changed = {key: value for key, value in settings.items() if value is not None}
    given = settings.get("lr", "auto")
    if given not in ("auto", "sweep"):
        changed["lr"] = scaled(given)
    elif top is not None:
        changed["lr"] = scaled(top)
    if "head_lr" in changed:
        changed["head_lr"] = scaled(changed["head_lr"])
    elif given in ("auto", "sweep") and of_head is not None and of_head != top:
        changed["head_lr"] = scaled(of_head)
    if "body_lr" in changed:
        changed["body_lr"] = scaled(changed["body_lr"])
    if isinstance(changed.get("rates"), Mapping):
        changed["rates"] = {pattern: scaled(rate) for pattern, rate in changed["rates"].items()}
    reason = (
        f"the validation loss was lowest in epoch {onset} of {epochs} already: smaller steps get there later "
        "and go less far beyond"
    )
    return Remedy(f"learn more slowly: {words} of the rate", reason, f"{name}_slower", changed)


def _shorter(*, onset: int, epochs: int) -> Remedy | None:
    if onset >= epochs:
        return None
    reason = (
        f"the validation loss was lowest in epoch {onset} of {epochs}, at a rate that was still high; a "
        "shorter training ends there with a rate that has fallen to 0. It holds for all methods"
    )
    return Remedy(f"stop earlier: {onset} epoch{'s' if onset > 1 else ''}", reason, None, {"epochs": onset})


def _head_first(name: str, settings: Mapping[str, Any], plan: TuningPlan, *, onset: int) -> Remedy | None:
    """Let a new head learn alone at first, where everything learns at once so far."""
    if settings["kind"] not in ("full", "adaptive") or not plan.new_tensors:
        return None
    reason = (
        "a new head's first steps pull the layers below away from what they know; one that has learnt "
        "already does so less"
    )
    if onset == 1:
        reason += ", and the validation loss rose from the first epoch on"
    return Remedy(
        "let the head learn first, then all",
        reason,
        f"{name}_head_first",
        {"kind": "probe_then_full", "lr": settings.get("lr", "auto")},
    )
