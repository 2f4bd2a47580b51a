"""The stages' bodies one after another in one process, with what dvc.yaml declares for each."""

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tritune.pipeline.context import StageContext

ROOT = Path(__file__).parents[1]


def run_stages(
    folder: Path, names: list[str], params: Mapping[str, Any], *, method: str, seed: int = 13
) -> None:
    """Run the stages' bodies in the folder, without DVC and without a guard, and put their outputs in place.

    Args:
        params: As params.yaml; what it leaves out is as in the project's own.
    """
    declared = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    defaults = YAML(typ="safe").load(ROOT / "params.yaml")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name in names:
            stage = declared[name].get("do", declared[name])
            item = {"method": method, "seed": str(seed)}
            inputs = [filled(path, item) for path in stage["deps"] if not path.endswith((".py", ".j2"))]
            outputs = [filled(path, item) for kind in ("outs", "metrics") for path in stage.get(kind, [])]
            keys = [filled(key, item) for key in stage["params"] if isinstance(key, str)]
            scratch = Path("scratch") / name
            scratch.mkdir(parents=True)
            context = StageContext(
                stage=name,
                item=item,
                params={key: looked_up({**defaults, **params}, key) for key in keys},
                inputs={path: Path(path) for path in inputs},
                outputs=tuple(outputs),
                scratch=scratch,
                memos=Path("memos"),
            )
            importlib.import_module(f"tasks.{name}").run(context)
            for path in outputs:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / "outputs" / path).rename(path)
    finally:
        os.chdir(before)


def filled(path: str | Mapping[str, Any], item: Mapping[str, str]) -> str:
    """Return a declared path or key of a method's stage with its method and seed in place."""
    text = path if isinstance(path, str) else next(iter(path))
    values = dict.fromkeys(("key", "item"), item["method"])
    values |= {f"item.{name}": value for name, value in item.items()}
    return re.sub(r"\$\{([a-z.]+)\}", lambda found: values.get(found[1], found[0]), text)


def looked_up(params: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a dotted key."""
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return value
