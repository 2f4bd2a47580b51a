"""A model taken apart, bottom to top: embeddings, layers, what comes after them, head.

The layers are found in the module tree itself: they are the outermost module lists of like blocks, with no
table of architectures. What is registered before them lies below, what is registered after them above; but:
- embeddings, by type or name, and a norm right after them are below wherever they are registered (relative
  positions of DeBERTa-v2 and MPNet, the embedding norm of BART);
- what is called `norm`, `final...` or `..._out` is above (T5Gemma, OPT), unless it is the embeddings' own;
- a convolution beside the layers belongs to the lowest of them, whose output it changes (DeBERTa-v2 xlarge);
- lists of one length beside each other are one stack, member by member (attentions and feed-forwards of XLM);
- what stands outside a pretrained body, and an output layer with a matrix of its own, is the head;
- what stands beside encoder and decoder, below no layer of either, joins them: it is below the decoder.
Tests hold this to the order in which the modules of many architectures run.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from torch import nn
from transformers import PreTrainedModel

from tritune.errors import InputError


@dataclass(frozen=True)
class Tensor:
    """One parameter tensor. A tied weight is one tensor, under its first name."""

    name: str
    parameters: int
    decays: bool
    """Whether weight decay is for it: not for norms and biases."""

    matmul_parameters: int
    """Parameters times matrix products they take part in per token; 0 for look-ups, norms and biases."""

    tied_to_output: bool = False
    """Whether this embedding is also the matrix of the output layer, at the other end of the model."""


@dataclass(frozen=True)
class Part:
    """Tensors at the same height of the network."""

    name: str
    """embeddings, layer.0, ..., final, head; with `encoder.` or `decoder.` before it where there are both."""

    role: str
    """embeddings, layer, final (norms and poolers above the layers) or head."""

    tensors: tuple[Tensor, ...]
    runs: int = 1
    """How often it runs in one pass: more than once where layers share their weights (ALBERT)."""


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


def layer_modules(model: PreTrainedModel) -> tuple[nn.Module, ...]:
    """Return the layers, lowest first, if they are one stack of modules that run once each; else none."""
    stacks = _stacks(model)
    if len(stacks) != 1 or len(stacks[0].paths) != 1 or stacks[0].runs != 1:
        return ()
    layers = model.get_submodule(stacks[0].paths[0])
    assert isinstance(layers, nn.ModuleList)
    return tuple(layers)


def stacked_layers(model: PreTrainedModel) -> list[nn.Module]:
    """Return the members of every stack of layers that run once each, of the encoder and of the decoder."""
    lists = [model.get_submodule(path) for stack in _stacks(model) if stack.runs == 1 for path in stack.paths]
    return [layer for each in lists for layer in each.children()]


@dataclass(frozen=True)
class _Stack:
    paths: tuple[str, ...]
    """Of the module lists that it consists of, one in nearly every model."""

    prefix: str
    layers: int
    runs: int


def take_apart(model: PreTrainedModel) -> Anatomy:
    """Return the anatomy of a model; it may be on the meta device.

    Raises:
        InputError: No list of layers is found in its module tree.
    """
    stacks = _stacks(model)
    if not stacks:
        raise InputError(
            f"{type(model).__name__} can't be taken apart: no list of layers is found among its modules; "
            "take another base model, such as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT"
        )
    heads = _outside_bodies(model)
    output = _output_matrix(model)
    found: dict[tuple[int, int], list[Tensor]] = {}
    owners = {
        f"{path}.{name}".lstrip("."): module
        for path, module in model.named_modules()
        for name in _own(module)
    }
    begun: set[int] = set()
    """Stacks of which a layer was already registered."""
    after_embedding = ""
    for name, parameter in model.named_parameters():
        look_up = isinstance(owners[name], nn.Embedding)
        tied = look_up and parameter is output
        number = _nearest(name, stacks, begun)
        stack = stacks[number]
        path = name.rpartition(".")[0]
        runs = 1
        if heads(name) or (parameter is output and not look_up):
            place = (len(stacks), 0)
        elif (index := _layer_index(name, stack)) is not None:
            place, runs = (number, 1 + index), stack.runs
            begun.add(number)
        else:
            registered_before = number not in begun
            feeds_layers = (
                look_up or "emb" in path.lower() or _is_norm_beside(path, parameter, after_embedding)
            )
            joins = len(stacks) > 1 and len(begun) == len(stacks) and _is_beside_all(name, stacks)
            if _is_beside_with_convolution(model, path, stack):
                height = 1
            elif feeds_layers or joins or (registered_before and not _is_called_last(path)):
                height = 0
            else:
                height = 1 + stack.layers
            place = (number, height)
            if look_up and not registered_before:
                after_embedding = path
        matrix = parameter.ndim >= 2
        multiplied = parameter.numel() * runs if matrix and (tied or not look_up) else 0
        found.setdefault(place, []).append(Tensor(name, parameter.numel(), matrix, multiplied, tied))
    parts = [_part(place, found[place], stacks) for place in sorted(found)]
    config = model.config.get_text_config()
    return Anatomy(
        architecture=type(model).__name__,
        width=int(config.hidden_size),
        parts=tuple(parts),
        order=tuple(name for name, _ in model.named_parameters()),
    )


def _outside_bodies(model: nn.Module) -> Callable[[str], bool]:
    """Return whether a tensor of a given name lies in a model with a head, but not in that model's body.

    The model itself can be one, and the decoder of a pair of encoders is another.
    """
    bodies = [
        (f"{path}.".lstrip("."), f"{path}.{module.base_model_prefix}.".lstrip("."))
        for path, module in model.named_modules()
        if hasattr(module, "base_model_prefix") and module.base_model is not module
    ]
    return lambda name: any(name.startswith(whole) and not name.startswith(body) for whole, body in bodies)


def _output_matrix(model: nn.Module) -> nn.Parameter | None:
    """Return the matrix that turns hidden states into scores of tokens, if the model writes text."""
    layer = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return getattr(layer, "weight", None)


def _own(module: nn.Module) -> Iterator[str]:
    yield from (name for name, _ in module.named_parameters(recurse=False))


def _stacks(model: PreTrainedModel) -> list[_Stack]:
    """Return the outermost module lists whose members all have matrices of their own."""
    lists = {path: module for path, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    found: list[tuple[str, ...]] = []
    for path, module in lists.items():
        if path.startswith(tuple(f"{known}." for paths in found for known in paths)):
            continue
        if any(path in paths for paths in found) or not len(module):
            continue
        if all(sum(p.ndim >= 2 for p in block.parameters()) >= 2 for block in module):
            parent = path.rpartition(".")[0]
            beside = [p for p, m in lists.items() if p.rpartition(".")[0] == parent and len(m) == len(module)]
            found.append(tuple(beside))
    depth = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    prefixes = [""] * len(found) if len(found) < 2 else _two_prefixes([paths[0] for paths in found])
    stacks = []
    for paths, prefix in zip(found, prefixes, strict=True):
        blocks = lists[paths[0]]
        # Fewer blocks than layers: each block runs several times (ALBERT), unless blocks hold layers of their
        # own (Funnel). Of two stacks, `num_hidden_layers` tells only the encoder's depth.
        simple = len(found) == 1 and not isinstance(blocks[0], nn.ModuleList)
        runs = depth // len(blocks) if simple and depth else 1
        stacks.append(_Stack(paths, prefix, len(blocks), max(1, runs)))
    return stacks


def _layer_index(name: str, stack: _Stack) -> int | None:
    """Return which of the stack's layers the tensor belongs to, from 0; None: to none."""
    for path in stack.paths:
        if name.startswith(f"{path}."):
            return int(name[len(path) + 1 :].split(".")[0])
    return None


def _two_prefixes(paths: Sequence[str]) -> list[str]:
    """Name each stack by the first step in which its path differs from the others'."""
    steps = [path.split(".") for path in paths]
    depth = next(i for i in range(min(map(len, steps))) if len({path[i] for path in steps}) > 1)
    return [f"{path[depth]}." for path in steps]


def _nearest(name: str, stacks: Sequence[_Stack], begun: Collection[int]) -> int:
    """Return the index of the stack that shares the longest way through the module tree.

    Several do: the last one that has begun (an output layer after encoder and decoder is the decoder's), or
    the first, if none has (the embeddings of both).
    """
    steps = [_shared_steps(name, stack.paths[0]) for stack in stacks]
    nearest = [number for number, shared in enumerate(steps) if shared == max(steps)]
    return next((number for number in reversed(nearest) if number in begun), nearest[0])


def _shared_steps(name: str, path: str) -> int:
    pairs = zip(name.split("."), path.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_beside_all(name: str, stacks: Sequence[_Stack]) -> bool:
    return len({_shared_steps(name, stack.paths[0]) for stack in stacks}) == 1


def _is_norm_beside(path: str, parameter: nn.Parameter, embedding: str) -> bool:
    """Whether these are the weights of a norm next to an embedding that was registered just before."""
    return bool(embedding) and parameter.ndim == 1 and path.rpartition(".")[0] == embedding.rpartition(".")[0]


def _is_called_last(path: str) -> bool:
    module = path.rpartition(".")[2]
    return module == "norm" or module.startswith("final") or module.endswith("_out")


def _is_beside_with_convolution(model: nn.Module, path: str, stack: _Stack) -> bool:
    """Whether this lies in a module next to the list of layers that holds a convolution."""
    parent = f"{stack.paths[0].rpartition('.')[0]}."
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
        return Part(f"{stack.prefix}layer.{height - 1}", "layer", tuple(tensors), stack.runs)
    return Part(f"{stack.prefix}final", "final", tuple(tensors))
