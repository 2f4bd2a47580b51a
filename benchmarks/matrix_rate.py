"""What this machine can do at most: the rate of its matrix products, and what a training needs of them."""

import time

import numpy as np
import torch

SIZES = (512, 1024, 2048)
SIZES_ON_A_GPU = (4096, 8192)
PRODUCTS_ON_A_GPU = 20
"""Ordered at once, so that the order costs nothing."""

SECONDS_A_SIZE = 1.5


def matrix_rate(device: torch.device, *, precision: str, threads: int) -> float:
    """Return the highest rate of square matrix products that was reached, in operations per second.

    Args:
        precision: fp32 or bf16.
        threads: of the processor; a GPU's rate does not hang on them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    best, on_gpu = 0.0, device.type == "cuda"
    products = PRODUCTS_ON_A_GPU if on_gpu else 1
    try:
        for size in SIZES_ON_A_GPU if on_gpu else SIZES:
            kind = torch.bfloat16 if precision == "bf16" else torch.float32
            left, right = (torch.randn(size, size, dtype=kind, device=device) for _ in range(2))
            left @ right
            ends = time.monotonic() + SECONDS_A_SIZE
            while (started := time.monotonic()) < ends:
                for _ in range(products):
                    left @ right
                if on_gpu:  # the products were only ordered
                    torch.cuda.synchronize()
                best = max(best, products * 2 * size**3 / (time.monotonic() - started))
    finally:
        torch.set_num_threads(before)
    return best


def needed_operations(
    model: torch.nn.Module, lengths: np.ndarray, *, frozen: int = 0, epochs: int = 1, stored: bool = False
) -> float:
    """Return the operations that a training on rows needs, padding and evaluations left out.

    Those of the matrix products of the layers, forward, and twice as many backward (Kaplan et al. 2020), and
    of attention, of each token with each of its row. Layers that are frozen run forward only.

    Args:
        model: of transformers.
        lengths: [rows] tokens of each.
        frozen: layers from the bottom that do not learn.
        epochs: times that each row is learnt from.
        stored: whether frozen layers run once for all epochs.
    """
    from tritune.models.layers import layer_modules

    layers = layer_modules(model)
    matrices = [sum(p.numel() for p in layer.parameters() if p.dim() == 2) for layer in layers]
    width = model.config.get_text_config().hidden_size
    lengths = lengths.astype(np.float64)
    forward = [2 * each * lengths.sum() + 4 * width * (lengths**2).sum() for each in matrices]
    below, above = sum(forward[:frozen]), sum(forward[frozen:])
    return float(below * (1 if stored else epochs) + 3 * above * epochs)
