"""`python -m tasks.exam FOLDER METHOD-SEED`: `tokenize` and `evaluate` in a folder apart, without DVC.

Reads FOLDER/settings.json (the parameters of both), data/ingested, base and checkpoints/METHOD-SEED. Writes
data/tokens and evaluations/METHOD-SEED. In a process of its own, so that the flow's never holds a model.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks import evaluate, tokenize
from tritune.errors import InputError
from tritune.pipeline.context import StageContext
from tritune.pipeline.supervisor import end_with_supervisor


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 2 where the model can't answer these rows."""
    end_with_supervisor()
    folder, name = arguments
    os.chdir(folder)
    params = json.loads(Path("settings.json").read_text(encoding="utf-8"))
    try:
        _stage("tokenize", tokenize.run, name, params, outputs=["data/tokens"])
        made = [f"evaluations/{name}", f"metrics/{name}.json"]
        _stage("evaluate", evaluate.run, name, params, outputs=made)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _stage(
    stage: str,
    body: Callable[[StageContext], None],
    name: str,
    params: Mapping[str, Any],
    *,
    outputs: Sequence[str],
) -> None:
    method, _, seed = name.rpartition("-")
    inputs = {path: Path(path) for path in ("data", "base", "checkpoints")}
    scratch, item = Path("scratch") / stage, {"method": method, "seed": seed}
    body(StageContext(stage, item, params, inputs, tuple(outputs), scratch, memos=Path("memos")))
    for output in outputs:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        (scratch / "outputs" / output).replace(output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
