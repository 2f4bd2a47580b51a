"""From a model's anatomy and a method's rates to the tuning plan, checked before any training.

A method has as many phases as its tensors have different starts. What a plan costs is the mean over them,
each weighted with its length.
"""

from collections.abc import Collection, Mapping
from functools import partial

from tritune.errors import InputError
from tritune.models.layers import Anatomy, Part, Tensor
from tritune.plan.default_rate import default_rate, top_rate
from tritune.plan.operations import operations_per_token
from tritune.plan.rate import Rate, some_of
from tritune.plan.tuning_plan import Adapters, Group, Phase, TuningPlan
from tritune.settings.method import (
    LoraSettings,
    MethodSettings,
    NormsAndBiasesSettings,
    PartialSettings,
    ProbeThenFullSettings,
    by_gradient_norm,
)


def compile_plan(
    anatomy: Anatomy,
    rates: Mapping[str, Rate],
    settings: MethodSettings,
    *,
    new_tensors: Collection[str],
    adapters: Adapters | None = None,
    key: str,
) -> TuningPlan:
    """Return the plan of one method for one model.

    Args:
        anatomy: The model, taken apart.
        rates: The method's rate of every tensor.
        settings: The method's settings; `lr` and `head_lr` are read.
        new_tensors: Names of the tensors that the base model does not have, its adapters' among them.
        adapters: That the model has, of which `anatomy` tells.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: The plan trains nothing, freezes a tensor that is not pretrained, or has no use for
            `head_lr` or for a sweep.
        ValueError: `rates` does not have exactly the model's tensors, or nothing learns at the first step.
    """
    if set(rates) != set(anatomy.order):
        raise ValueError(
            f"rates for other tensors than the model's: {sorted(set(rates) ^ set(anatomy.order))}"
        )
    _refuse_useless(anatomy, rates, settings, new_tensors, key=key)
    beside = set() if adapters is None else set(adapters.modules)
    new_head = any(name.partition(".lora_")[0] not in beside for name in new_tensors)
    lr, head_lr, notes = _resolve(anatomy, rates, settings, new_head=new_head)
    final = {
        tensor.name: _final(rates[tensor.name], lr, head_lr if part.role == "head" else None)
        for part in anatomy.parts
        for tensor in part.tensors
    }
    starts = sorted({rate.start for rate in rates.values() if not rate.frozen})
    if starts[0] != 0:
        raise ValueError(f"nothing learns before {starts[0]:.0%} of the training")
    each = [
        operations_per_token(anatomy, {name for name, rate in rates.items() if _learns(rate, start)})
        for start in starts
    ]
    lengths = [end - start for start, end in zip(starts, [*starts[1:], 1.0], strict=True)]
    compute = {
        name: sum(length * phase[name] for length, phase in zip(lengths, each, strict=True))
        for name in anatomy.order
    }
    total = sum(compute.values())
    groups, begins = [], {}
    for part in anatomy.parts:
        alike = _alike(part, rates, final, settings)
        for number, ((rate, decays, start, fixed), tensors) in enumerate(alike.items()):
            group = Group(
                name=part.name if number == 0 else f"{part.name}/{number}",
                tensors=tuple(tensor.name for tensor in tensors),
                parameters=sum(tensor.parameters for tensor in tensors),
                lr=rate,
                weight_decay=decays,
                exponent=rates[tensors[0].name].exponent,
                share_of_compute=sum(compute[tensor.name] for tensor in tensors) / total if total else 0.0,
                fixed=fixed,
            )
            groups.append(group)
            if rate is not None:
                begins[group.name] = start
    return TuningPlan(
        architecture=anatomy.architecture,
        kind=settings.kind,
        groups=tuple(groups),
        phases=tuple(
            Phase(start, tuple(name for name, begin in begins.items() if begin <= start), sum(phase.values()))
            for start, phase in zip(starts, each, strict=True)
        ),
        new_tensors=tuple(sorted(new_tensors)),
        layers=len(anatomy.layers),
        tensors_total=len(anatomy.order),
        parameters_total=sum(tensor.parameters for tensor in anatomy.tensors),
        parameters_trainable=sum(group.parameters for group in groups if group.lr is not None),
        trained_compute_per_token=float(total),
        notes=tuple(notes),
        adapters=adapters,
    )


def _learns(rate: Rate, start: float) -> bool:
    """Whether a tensor of this rate learns in the phase that begins at `start`."""
    return not rate.frozen and rate.start <= start


def _alike(
    part: Part, rates: Mapping[str, Rate], final: Mapping[str, float | None], settings: MethodSettings
) -> dict[tuple[float | None, bool, float, bool], list[Tensor]]:
    """Return a part's tensors, in its order, by what makes a group of them.

    That is their rate, whether they decay, when they begin, and whether the rate was given for them.
    """
    found: dict[tuple[float | None, bool, float, bool], list[Tensor]] = {}
    given = part.role == "head" and settings.head_lr is not None
    for tensor in part.tensors:
        rate, said = final[tensor.name], rates[tensor.name]
        learns = rate is not None
        fixed = learns and (said.absolute is not None or given)
        key = rate, tensor.decays and learns, said.start if learns else 0.0, fixed
        found.setdefault(key, []).append(tensor)
    return found


def _refuse_useless(
    anatomy: Anatomy,
    rates: Mapping[str, Rate],
    settings: MethodSettings,
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
    head = [rates[tensor.name] for tensor in _head(anatomy)]
    if settings.head_lr is not None and all(rate.frozen or rate.absolute is not None for rate in head):
        raise InputError(
            f"{key}.head_lr: has no effect, since every tensor of the head is frozen or has a rate of its "
            f"own (got {settings.head_lr:g}); leave it out"
        )
    given = set() if settings.head_lr is None else {t.name for t in _head(anatomy)}
    if settings.lr == "sweep" and all(
        rate.frozen or rate.absolute is not None or name in given for name, rate in rates.items()
    ):
        raise InputError(
            f"{key}.lr: sweep has nothing to find, since every tensor that learns has a rate of its own; "
            "leave lr out, or one of the other rates"
        )


def _head(anatomy: Anatomy) -> list[Tensor]:
    return [tensor for part in anatomy.parts if part.role == "head" for tensor in part.tensors]


def _most_layers(anatomy: Anatomy, settings: MethodSettings, new_tensors: Collection[str]) -> str:
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
    settings: MethodSettings,
    *,
    new_head: bool,
) -> tuple[float, float | None, list[str]]:
    """Return the method's rate, the head's if it has its own, and in words where they come from."""
    notes = []
    head_lr = settings.head_lr
    if isinstance(settings.lr, str):
        layers = sum(layer.runs for layer in anatomy.layers)
        learning = sum(
            layer.runs for layer in anatomy.layers if not all(rates[t.name].frozen for t in layer.tensors)
        )
        every_token = anatomy.architecture.endswith(("ForTokenClassification", "ForQuestionAnswering"))
        rate_of = partial(
            default_rate, width=anatomy.width, layers=layers, new_head=new_head, every_token=every_token
        )
        few = isinstance(settings, NormsAndBiasesSettings | LoraSettings)
        lr = rate_of(layers_learning=learning, few_of_each=few)
        head = "a new head" if new_head else "a head that is not new"
        reason = f"width {anatomy.width}, {learning} of {layers} layers learning, {head}"
        if every_token:
            reason += " that answers for every token"
        if few:
            reason += ", few numbers of each layer"
        decay = getattr(settings, "decay", None)
        if decay is not None:
            lr = top_rate(lr, decay=decay, layers=len(anatomy.layers))
            reason += f", decay {decay:g}"
        if settings.lr == "sweep":
            notes.append(f"lr: sweep tries rates around {lr:.1e}, which is derived from {reason}")
        else:
            notes.append(f"lr: auto gave {lr:.1e} from {reason}; set lr to choose your own")
        if isinstance(settings, ProbeThenFullSettings) and head_lr is None and new_head:
            head_lr = rate_of(layers_learning=0)
            notes.append(
                f"the head learns at {head_lr:.1e}, as on a frozen body, for it is alone at first; set "
                "head_lr to choose your own"
            )
    else:
        lr = float(settings.lr)
    if getattr(settings, "train_last_tensors", None) is not None:
        notes.append(
            "train_last_tensors counts tensors in the order of model.parameters(), weights and biases one by "
            "one; to freeze whole layers use freeze_layers"
        )
    if by_gradient_norm(settings):
        notes.append(
            "rates: gradient_norm: the stage sweep measures how much faster or more slowly each part learns"
        )
    exponents = {rate.exponent for rate in rates.values() if rate.exponent is not None}
    if exponents:
        notes.append(
            "rate = lr x decay^exponent; the exponent is 0 for the top layer and all above it, "
            f"{max(exponents)} for the embeddings"
        )
    notes += _tied_notes(anatomy, rates)
    return lr, head_lr, notes


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
        elif rate != Rate(start=rate.start):
            notes.append(f"{shared}: it learns at the embeddings' rate there too")
        if rate.start:
            notes.append(f"{shared}: with the embeddings it holds still at first there too")
    return notes


def _final(rate: Rate, lr: float, head_lr: float | None) -> float | None:
    if rate.frozen:
        return None
    if rate.absolute is not None:
        return rate.absolute
    return head_lr if head_lr is not None else lr * rate.multiple
