"""The machine that a result was made on, as far as its bytes may depend on it."""

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritune.pipeline.identity import key_of_entry

MEASUREMENTS = Path("measurements")
"""Folder with a file per stage: what differs from run to run, kept beside the results."""

FEATURES = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8"),
    *("asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2"),
)
"""Of a processor: what libraries of linear algebra choose their loops by. Other loops, other sums."""


def this_machine() -> dict[str, str]:
    """Return system, processor and Python as short texts; a feature list is empty where none can be read."""
    name, features = platform.processor() or platform.machine(), set[str]()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in {"flags", "Features"}:
                features = set(value.split())
                break
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": name,
        "processor features": " ".join(feature for feature in FEATURES if feature in features),
        "Python": platform.python_version(),
    }


def read_measurement(root: Path, stage: str) -> dict[str, Any]:
    """Return what was measured when a stage ran last here; nothing where that is not on record."""
    try:
        measured: dict[str, Any] = json.loads(
            (root / MEASUREMENTS / f"{stage}.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}
    return measured


def made_on(root: Path, stage: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return on what a training's present result was made, or nothing where that is not on record.

    Args:
        stage: For example `train@partial-13`.
        entry: The stage's entry in dvc.lock. A measurement of other inputs is not of this result.
    """
    measured = read_measurement(root, stage)
    if measured.get("key") != key_of_entry(entry):
        return {}
    of_training = {
        name: str(measured[name])
        for name in ("device", "precision", "threads", "processes")
        if name in measured
    }
    return {**measured.get("machine", {}), **of_training}
