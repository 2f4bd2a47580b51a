"""Numbers on their way to a device: through pinned memory, so that a GPU has not to wait for them."""

import torch


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor there; the tensor itself where it is there already.

    Args:
        values: on the CPU.
    """
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def put_into(there: torch.Tensor, values: torch.Tensor) -> None:
    """Overwrite a tensor that stays where it is.

    Args:
        values: on the CPU, of the same shape.
    """
    there.copy_(values.pin_memory() if there.is_cuda else values, non_blocking=True)
