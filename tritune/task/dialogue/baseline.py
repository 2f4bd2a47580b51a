"""No baseline: the floor of a dialogue model is the model before any training, measured by `evaluate`."""

from pathlib import Path


def baseline(ingested: Path) -> None:
    """Return nothing."""
