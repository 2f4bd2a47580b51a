"""From a model's anatomy and a method's rates to the tuning plan, checked before any training.

The compute counted is that of matrix products with weights: 2 operations per weight and token forward, 2 more
for the gradient of a weight that learns, and 2 more for the gradient that is handed down, where the part
itself or one below it learns. Left out: attention scores (they grow with the text's length, not with the
plan), norms, softmax, look-ups, and that poolers and heads run once per text rather than per token. An
embedding that is also the matrix of the output layer counts there, at the top: all gradients pass it.
"""

from collections.abc import Collection, Mapping

from tritune.errors import InputError
from tritune.models.layers import Anatomy, Part, Tensor
from tritune.plan.default_rate import default_rate, top_rate
from tritune.plan.rate import Rate, some_of
from tritune.plan.tuning_plan import Group, Phase, TuningPlan
from tritune.settings.method import AdaptiveSettings, FullSettings, PartialSettings


def compile_plan(
    anatomy: Anatomy,
    rates: Mapping[str, Rate],
    settings: FullSettings | PartialSettings | AdaptiveSettings,
    *,
    new_tensors: Collection[str],
    key: str,
) -> TuningPlan:
    """Return the plan of one method for one model.

    Args:
        anatomy: The model, taken apart.
        rates: The method's rate of every tensor.
        settings: The method's settings; `lr` and `head_lr` are read.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: The plan trains nothing, freezes a tensor that is not pretrained, or has no use for
            `head_lr`.
        ValueError: `rates` does not have exactly the model's tensors.
    """
    if set(rates) != set(anatomy.order):
        raise ValueError(
            f"rates for other tensors than the model's: {sorted(set(rates) ^ set(anatomy.order))}"
        )
    _refuse_useless(anatomy, rates, settings, new_tensors, key=key)
    lr, notes = _resolve(anatomy, rates, settings, new_head=bool(new_tensors))
    final = {
        tensor.name: _final(rates[tensor.name], lr, settings.head_lr if part.role == "head" else None)
        for part in anatomy.parts
        for tensor in part.tensors
    }
    compute = _compute(anatomy, final)
    total = sum(compute.values())
    groups = [
        Group(
            name=part.name if number == 0 else f"{part.name}/{number}",
            tensors=tuple(tensor.name for tensor in tensors),
            parameters=sum(tensor.parameters for tensor in tensors),
            lr=rate,
            weight_decay=decays,
            exponent=rates[tensors[0].name].exponent,
            share_of_compute=sum(compute[tensor.name] for tensor in tensors) / total if total else 0.0,
        )
        for part in anatomy.parts
        for number, ((rate, decays), tensors) in enumerate(_alike(part, final).items())
    ]
    learning = tuple(group.name for group in groups if group.lr is not None)
    return TuningPlan(
        architecture=anatomy.architecture,
        kind=settings.kind,
        groups=tuple(groups),
        phases=(Phase(0.0, learning),),
        new_tensors=tuple(sorted(new_tensors)),
        layers=len(anatomy.layers),
        tensors_total=len(anatomy.order),
        parameters_total=sum(tensor.parameters for tensor in anatomy.tensors),
        parameters_trainable=sum(group.parameters for group in groups if group.lr is not None),
        trained_compute_per_token=float(total),
        notes=tuple(notes),
    )


def _alike(part: Part, final: Mapping[str, float | None]) -> dict[tuple[float | None, bool], list[Tensor]]:
    """Return a part's tensors by rate and by whether they decay, in the part's order."""
    found: dict[tuple[float | None, bool], list[Tensor]] = {}
    for tensor in part.tensors:
        rate = final[tensor.name]
        found.setdefault((rate, tensor.decays and rate is not None), []).append(tensor)
    return found


def _refuse_useless(
    anatomy: Anatomy,
    rates: Mapping[str, Rate],
    settings: FullSettings | PartialSettings | AdaptiveSettings,
    new_tensors: Collection[str],
    *,
    key: str,
) -> None:
    if all(rate.frozen for rate in rates.values()):
        raise InputError(f"{key}: the plan trains nothing, every tensor is frozen; freeze less")
    lost = sorted(name for name in new_tensors if rates[name].frozen)
    if lost:
        raise InputError(
            f"{key}: {lost[0]} would be frozen, but it is newly initialised, not pretrained, and would stay "
            f"random; freeze less{_most_layers(anatomy, settings, new_tensors)}, so that the new tensors "
            f"learn: {some_of(sorted(new_tensors))}"
        )
    if settings.head_lr is not None and not any(part.role == "head" for part in anatomy.parts):
        raise InputError(
            f"{key}.head_lr: has no effect, since the {anatomy.architecture} has no head of its own: its "
            f"output layer shares the matrix of the embeddings (got {settings.head_lr:g}); leave it out"
        )
    head = [rates[tensor.name] for part in anatomy.parts if part.role == "head" for tensor in part.tensors]
    if settings.head_lr is not None and all(rate.frozen or rate.absolute is not None for rate in head):
        raise InputError(
            f"{key}.head_lr: has no effect, since every tensor of the head is frozen or has a rate of its "
            f"own (got {settings.head_lr:g}); leave it out"
        )


def _most_layers(
    anatomy: Anatomy,
    settings: FullSettings | PartialSettings | AdaptiveSettings,
    new_tensors: Collection[str],
) -> str:
    """Say how many layers can be frozen where layers hold new tensors, as a new cross-attention."""
    pretrained = [not any(t.name in new_tensors for t in layer.tensors) for layer in anatomy.layers]
    counts_layers = isinstance(settings, PartialSettings) and (
        settings.freeze_layers or settings.freeze_fraction
    )
    if all(pretrained) or not counts_layers:
        return ""
    most = pretrained.index(False)
    return f" (at most {most} of {len(pretrained)} layers)"


def _resolve(
    anatomy: Anatomy,
    rates: Mapping[str, Rate],
    settings: FullSettings | PartialSettings | AdaptiveSettings,
    *,
    new_head: bool,
) -> tuple[float, list[str]]:
    """Return the method's learning rate, and in words where it comes from and what is notable."""
    notes = []
    if settings.lr == "auto":
        layers = sum(layer.runs for layer in anatomy.layers)
        learning = sum(
            layer.runs for layer in anatomy.layers if not all(rates[t.name].frozen for t in layer.tensors)
        )
        lr = default_rate(width=anatomy.width, layers=layers, layers_learning=learning, new_head=new_head)
        head = "a new head" if new_head else "a head that is not new"
        reason = f"width {anatomy.width}, {learning} of {layers} layers learning, {head}"
        decay = getattr(settings, "decay", None)
        if decay is not None:
            lr = top_rate(lr, decay=decay, layers=len(anatomy.layers))
            reason += f", decay {decay:g}"
        notes.append(f"lr: auto gave {lr:.1e} from {reason}; set lr to choose your own")
    else:
        lr = float(settings.lr)
    if getattr(settings, "train_last_tensors", None) is not None:
        notes.append(
            "train_last_tensors counts tensors in the order of model.parameters(), weights and biases one by "
            "one; to freeze whole layers use freeze_layers"
        )
    exponents = {rate.exponent for rate in rates.values() if rate.exponent is not None}
    if exponents:
        notes.append(
            "rate = lr x decay^exponent; the exponent is 0 for the top layer and all above it, "
            f"{max(exponents)} for the embeddings"
        )
    notes += _tied_notes(anatomy, rates)
    return lr, notes


def _tied_notes(anatomy: Anatomy, rates: Mapping[str, Rate]) -> list[str]:
    """Say what a method's rate for the embeddings does at the other end of the model."""
    notes = []
    for tensor in anatomy.tensors:
        rate = rates[tensor.name]
        if not tensor.tied_to_output:
            continue
        shared = f"{tensor.name} is also the matrix of the output layer"
        if rate.frozen:
            notes.append(f"{shared}: with the embeddings it is frozen there too")
        elif rate != Rate():
            notes.append(f"{shared}: it learns at the embeddings' rate there too")
    return notes


def _final(rate: Rate, lr: float, head_lr: float | None) -> float | None:
    if rate.frozen:
        return None
    if rate.absolute is not None:
        return rate.absolute
    return head_lr if head_lr is not None else lr * rate.multiple


def _compute(anatomy: Anatomy, final: Mapping[str, float | None]) -> dict[str, float]:
    """Return each tensor's share of the operations per token."""
    operations: dict[str, float] = {}
    anything_learns = any(rate is not None for rate in final.values())
    handed_down = False
    for part in anatomy.parts:
        handed_down = handed_down or any(final[tensor.name] is not None for tensor in part.tensors)
        for tensor in part.tensors:
            learns = final[tensor.name] is not None
            below = anything_learns if tensor.tied_to_output else handed_down
            operations[tensor.name] = 2.0 * tensor.matmul_parameters * (1 + learns + below)
    return operations
