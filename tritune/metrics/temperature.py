"""One number that makes a classifier as sure as it is right: its logits are divided by it.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599, section
4.2. It never changes which class is likeliest.
"""

import numpy as np

TEMPERATURE = "temperature"
"""Its name among what a task has decided."""

LOWEST, HIGHEST = 0.5, 10.0
"""Without an end, a model that is right on every row would become certain of everything."""


def fitted_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the temperature with the lowest negative log likelihood, in [0.5, 10], with 4 decimals.

    Above 1 where the model is too sure, below 1 where it is not sure enough.

    Args:
        labels: [rows] class ids, one or more.
        logits: [rows, classes].
    """
    from scipy.optimize import minimize_scalar  # slow to import

    centred = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    own = centred[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(np.log(np.exp(scale * centred).sum(axis=1)) - scale * own))

    found = minimize_scalar(
        loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-6}
    )
    return round(float(np.exp(found.x)), 4)
