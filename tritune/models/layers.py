"""A model taken apart, bottom to top: embeddings, layers, what comes after them, head.

The layers are found in the module tree itself: they are the outermost module lists of like blocks, with no
table of architectures. What is registered before them lies below, what is registered after them above; but:
- embeddings, by type or name, and a norm right after them are below wherever they are registered (relative
  positions of DeBERTa-v2 and MPNet, the embedding norm of BART);
- what is called `final...` or `..._out` is above (the norm of OPT);
- a convolution beside the layers belongs to the lowest of them, whose output it changes (DeBERTa-v2 xlarge).
Tests hold this to the order in which the modules of many architectures run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Tensor:
    """One parameter tensor. A tied weight is one tensor, under its first name."""

    name: str
    parameters: int
    decays: bool
    """Whether weight decay is for it: not for norms and biases."""

    matmul_parameters: int
    """Parameters times matrix products they take part in per token; 0 for look-ups, norms and biases."""


@dataclass(frozen=True)
class Part:
    """Tensors at the same height of the network."""

    name: str
    """embeddings, layer.0, ..., final, head; with `encoder.` or `decoder.` before it where there are both."""

    role: str
    """embeddings, layer, final (norms and poolers above the layers) or head."""

    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class Anatomy:
    """All parts of a model, bottom to top."""

    architecture: str
    width: int
    """Size of the hidden states."""

    parts: tuple[Part, ...]
    """Every tensor is in exactly one. Of two stacks the encoder is below the decoder."""

    order: tuple[str, ...]
    """Names of all tensors in the order of `model.parameters()`."""

    @property
    def layers(self) -> tuple[Part, ...]:
        """The layers, lowest first. Layers that share their weights (ALBERT) are one."""
        return tuple(part for part in self.parts if part.role == "layer")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor, lowest part first."""
        return tuple(tensor for part in self.parts for tensor in part.tensors)


@dataclass(frozen=True)
class _Stack:
    path: str
    prefix: str
    layers: int
    runs: int
    """How often each of its layers runs in one pass."""


def take_apart(model: PreTrainedModel) -> Anatomy:
    """Return the anatomy of a model; it may be on the meta device.

    Raises:
        ValueError: No list of layers is found in its module tree.
    """
    stacks = _stacks(model)
    if not stacks:
        raise ValueError(f"{type(model).__name__} has no module list of layers")
    backbone = f"{model.base_model_prefix}."
    has_backbone = model.base_model is not model
    found: dict[tuple[int, int], list[Tensor]] = {}
    owners = {
        f"{path}.{name}".lstrip("."): module
        for path, module in model.named_modules()
        for name in _own(module)
    }
    before: set[int] = set()
    after_embedding = ""
    for name, parameter in model.named_parameters():
        stack = _nearest(name, stacks)
        path = name.rpartition(".")[0]
        if has_backbone and not name.startswith(backbone):
            place = (len(stacks), 0)
            runs = 1
        elif name.startswith(f"{stack.path}."):
            index = int(name[len(stack.path) + 1 :].split(".")[0])
            place, runs = (stacks.index(stack), 1 + index), stack.runs
            before.add(stacks.index(stack))
        else:
            runs = 1
            registered_before = stacks.index(stack) not in before
            feeds_layers = (
                isinstance(owners[name], nn.Embedding)
                or "emb" in path.lower()
                or _is_norm_beside(path, parameter, after_embedding)
            )
            if _is_beside_with_convolution(model, path, stack):
                height = 1
            elif feeds_layers or (registered_before and not _is_called_last(path)):
                height = 0
            else:
                height = 1 + stack.layers
            place = (stacks.index(stack), height)
            if feeds_layers and not registered_before:
                after_embedding = path
        look_up = isinstance(owners[name], nn.Embedding)
        multiplies = parameter.ndim >= 2 and not look_up
        found.setdefault(place, []).append(
            Tensor(
                name, parameter.numel(), parameter.ndim >= 2, parameter.numel() * runs if multiplies else 0
            )
        )
    parts = [_part(place, found[place], stacks) for place in sorted(found)]
    config = model.config.get_text_config()
    return Anatomy(
        architecture=type(model).__name__,
        width=int(config.hidden_size),
        parts=tuple(parts),
        order=tuple(name for name, _ in model.named_parameters()),
    )


def _own(module: nn.Module) -> Iterator[str]:
    yield from (name for name, _ in module.named_parameters(recurse=False))


def _stacks(model: PreTrainedModel) -> list[_Stack]:
    """Return the outermost module lists whose members are like blocks with matrices of their own."""
    paths: list[tuple[str, nn.ModuleList]] = []
    for path, module in model.named_modules():
        if (
            isinstance(module, nn.ModuleList)
            and not any(path.startswith(f"{outer}.") for outer, _ in paths)
            and len({type(block) for block in module}) == 1
            and sum(p.ndim >= 2 for p in module[0].parameters()) >= 2
        ):
            paths.append((path, module))
    config = model.config.get_text_config()
    depth = getattr(config, "num_hidden_layers", None)
    prefixes = [""] if len(paths) == 1 else _two_prefixes([path for path, _ in paths])
    return [
        # Fewer blocks than layers: each block runs several times (ALBERT).
        _Stack(path, prefix, len(blocks), max(1, (depth or len(blocks)) // len(blocks)))
        for (path, blocks), prefix in zip(paths, prefixes, strict=True)
    ]


def _two_prefixes(paths: Sequence[str]) -> list[str]:
    """Name each stack by the first step in which its path differs from the others'."""
    steps = [path.split(".") for path in paths]
    depth = next(i for i in range(min(map(len, steps))) if len({path[i] for path in steps}) > 1)
    return [f"{path[depth]}." for path in steps]


def _nearest(name: str, stacks: Sequence[_Stack]) -> _Stack:
    """Return the stack that shares the longest way through the module tree; the first one if several do."""

    def shared(stack: _Stack) -> int:
        pairs = zip(name.split("."), stack.path.split("."), strict=False)
        steps = 0
        for mine, its in pairs:
            if mine != its:
                break
            steps += 1
        return steps

    return max(stacks, key=shared)


def _is_norm_beside(path: str, parameter: nn.Parameter, embedding: str) -> bool:
    """Whether these are the weights of a norm next to an embedding that was registered just before."""
    return bool(embedding) and parameter.ndim == 1 and path.rpartition(".")[0] == embedding.rpartition(".")[0]


def _is_called_last(path: str) -> bool:
    module = path.rpartition(".")[2]
    return module.startswith("final") or module.endswith("_out")


def _is_beside_with_convolution(model: nn.Module, path: str, stack: _Stack) -> bool:
    """Whether this lies in a module next to the list of layers that holds a convolution."""
    parent = f"{stack.path.rpartition('.')[0]}."
    if not path.startswith(parent):
        return False
    beside = model.get_submodule(parent + path[len(parent) :].split(".")[0])
    return any(isinstance(module, nn.Conv1d) for module in beside.modules())


def _part(place: tuple[int, int], tensors: Sequence[Tensor], stacks: Sequence[_Stack]) -> Part:
    number, height = place
    if number == len(stacks):
        return Part("head", "head", tuple(tensors))
    stack = stacks[number]
    if height == 0:
        # What both stacks of an encoder-decoder share is registered before them, so it is with the first.
        return Part(f"{stack.prefix if number else ''}embeddings", "embeddings", tuple(tensors))
    if height <= stack.layers:
        return Part(f"{stack.prefix}layer.{height - 1}", "layer", tuple(tensors))
    return Part(f"{stack.prefix}final", "final", tuple(tensors))
