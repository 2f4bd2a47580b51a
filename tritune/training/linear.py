"""The products with weights, on a processor in bf16: a weight is cast once for as long as it stays as it is.

Autocast casts a weight anew for each piece of a batch, those that hold still too, and adds the bias in a pass
of its own. Here the cast is kept beside the weight until the optimizer has changed it, and the bias is added
while the product is written.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

from tritune.training.attention import precision_of
from tritune.training.stand_ins import StandIns

KINDS = (nn.Linear, Conv1D)
"""`Conv1D` is transformers' own, with a weight the other way round, in GPT-2 and its kin."""


class FastLinear(StandIns):
    """Stands in for `forward` of a model's linear modules, until `remove`.

    A weight that is written through its `.data` looks as if it were not: `forget` then.
    """

    def __init__(self, model: nn.Module) -> None:
        """Put it in place. On a GPU, and where autocast is off, everything runs as ever."""
        super().__init__(model, KINDS, _Forward)

    def forget(self) -> None:
        """Free the casts; they are made again when they are needed."""
        for module in self._modules:
            module.__dict__["forward"].forget()


class _Forward:
    def __init__(self, module: Any) -> None:
        self._module = module
        self._turned = isinstance(module, Conv1D)
        self.forget()

    def forget(self) -> None:
        self._cast: torch.Tensor | None = None
        self._of: tuple[int, int] | None = None

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        module = self._module
        if precision_of(given) != torch.bfloat16 or module.weight.dtype != torch.float32:
            result: torch.Tensor = type(module).forward(module, given)
            return result
        with torch.autocast(given.device.type, enabled=False):
            found: torch.Tensor = _Linear.apply(
                given, module.weight, module.bias, self._weight(), self._turned
            )
        return found

    def _weight(self) -> torch.Tensor:
        weight = self._module.weight
        now = weight.data_ptr(), weight._version
        if self._cast is None or self._of != now:
            # Not of inference mode, even where that is on: the cast is for ways back, too.
            with torch.inference_mode(False), torch.no_grad():
                if self._cast is None or self._cast.shape != weight.shape:
                    self._cast = torch.empty_like(weight, dtype=torch.bfloat16, requires_grad=False)
                self._cast.copy_(weight)
            self._of = now
        return self._cast


@cache
def _with_bias() -> Callable[..., torch.Tensor]:
    """Return what multiplies with a weight and adds a bias: the library's own, where the processor has it."""
    own = partial(torch.ops.mkldnn._linear_pointwise, attr="none", scalars=[], algorithm="")
    try:
        own(*(torch.zeros(shape, dtype=torch.bfloat16) for shape in [(2, 2), (2, 2), 2]))
    except (AttributeError, RuntimeError):
        return linear
    return own


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        given: torch.Tensor,
        _: torch.Tensor,
        bias: torch.Tensor | None,
        cast: torch.Tensor,
        turned: bool,
    ) -> torch.Tensor:
        ctx.kind, ctx.turned = given.dtype, turned
        given = given.to(cast.dtype)
        ctx.save_for_backward(given, cast)
        short = None if bias is None else bias.to(cast.dtype)
        if turned:
            return linear(given, cast.t(), short)
        return _with_bias()(given, cast, short)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        given, cast = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        of_given = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            product = gradient @ (cast.t() if ctx.turned else cast)
            of_given = product.view(given.shape).to(ctx.kind)
        if ctx.needs_input_grad[1]:
            flat = given.reshape(-1, given.shape[-1])
            of_weight = (flat.t() @ gradient if ctx.turned else gradient.t() @ flat).float()
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(0).float()
        return of_given, of_weight, of_bias, None, None
