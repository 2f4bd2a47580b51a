"""Stage `select`: the checkpoint that the comparison chose, as the model to ship.

Reads `results/comparison.json` and `checkpoints`. Writes `models/selected`: the checkpoint's files, what its
evaluation decided (decided.json), README.md (the model card) and lineage.json (why it was chosen, what it was
trained from, the hash of each file).
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from tritune.card import model_card
from tritune.errors import InputError
from tritune.pipeline.context import StageContext
from tritune.task.contract import DECIDED, task_module

PROVENANCE = "provenance.json"
"""What a stage's folder was made from; the checkpoint's own goes into the lineage."""

OWN_FILES = ("README.md", "lineage.json", PROVENANCE)


def run(ctx: StageContext) -> None:
    """Copy the chosen checkpoint and say what it is.

    Raises:
        InputError: The comparison is of another task, or the checkpoint it chose is not there.
    """
    path = ctx.input("results/comparison.json")
    comparison: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if comparison["task"] != ctx.params["task"]:
        raise InputError(
            f"{path} compares models for the task {comparison['task']}, but params.yaml has task: "
            f"{ctx.params['task']}; run `tritune run`"
        )
    chosen = comparison["chosen"]
    name = f"{chosen['method']}-{chosen['seed']}"
    checkpoint = ctx.input("checkpoints") / name
    if not (checkpoint / "config.json").is_file():
        raise InputError(
            f"{checkpoint} is missing or empty, but the comparison chose it; make it with "
            f"`dvc repro train@{name}`"
        )
    target = ctx.output_folder("models/selected")
    for leftover in target.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    hashes = {}
    for source in sorted(one for one in checkpoint.rglob("*") if one.is_file()):
        relative = source.relative_to(checkpoint)
        if str(relative) in OWN_FILES:
            continue
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        # A copy, not a link: DVC makes its cached files read-only and may link them.
        shutil.copyfile(source, target / relative)
        hashes[relative.as_posix()] = sha256_of(source)
    if comparison.get("decided"):
        decided = json.dumps(comparison["decided"], indent=2, sort_keys=True) + "\n"
        (target / DECIDED).write_text(decided, encoding="utf-8", newline="\n")
        hashes[DECIDED] = sha256_of(target / DECIDED)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    words = task_module(ctx.params["task"], "card").card_text(comparison)
    card = model_card(comparison, words, architecture=str(config.get("model_type", "unknown")))
    (target / "README.md").write_text(card, encoding="utf-8", newline="\n")
    provenance = checkpoint / PROVENANCE
    lineage = {
        "task": comparison["task"],
        "method": chosen["method"],
        "seed": chosen["seed"],
        "reason": comparison["reason"],
        "rule": {key: comparison[key] for key in ("metric", "rule", "margin")},
        "comparison_sha256": sha256_of(path),
        "files_sha256": hashes,
        "trained_from": json.loads(provenance.read_text(encoding="utf-8")) if provenance.is_file() else None,
    }
    text = json.dumps(lineage, indent=2, sort_keys=True, ensure_ascii=False)
    (target / "lineage.json").write_text(text + "\n", encoding="utf-8")
    print(f"models/selected is {name}. {comparison['reason']}")


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
