"""What a step costs: floating-point operations per token, tensor by tensor.

Counted are matrix products with weights: 2 operations per weight and token forward, 2 more for the gradient
of a weight that learns, and 2 more for the gradient that is handed down, where the part itself or one below
it learns. Left out: attention scores (they grow with the text's length, not with the plan), norms, softmax,
look-ups, and that poolers and heads run once per text rather than per token. An embedding that is also the
matrix of the output layer counts there, at the top: all gradients pass it.
"""

from collections.abc import Collection

from tritune.models.layers import Anatomy


def operations_per_token(anatomy: Anatomy, learning: Collection[str]) -> dict[str, float]:
    """Return the operations of every tensor by name, forward and backward.

    Args:
        anatomy: The model, taken apart.
        learning: Names of the tensors that learn in the step.
    """
    operations: dict[str, float] = {}
    handed_down = False
    for part in anatomy.parts:
        handed_down = handed_down or any(tensor.name in learning for tensor in part.tensors)
        for tensor in part.tensors:
            learns = tensor.name in learning
            below = bool(learning) if tensor.tied_to_output else handed_down
            operations[tensor.name] = 2.0 * tensor.matmul_parameters * (1 + learns + below)
    return operations
