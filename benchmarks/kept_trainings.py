"""Trainings of a long benchmark, kept one by one, so that one that was stopped goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def kept_trainings(path: Path, conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trainings that the file holds; none where it does not exist.

    Args:
        path: What `keep_trainings` wrote.
        conditions: Everything that makes two trainings comparable, as plain JSON values.

    Raises:
        SystemExit: The file's trainings were made under other conditions.
    """
    if not path.exists():
        return []
    report = json.loads(path.read_text(encoding="utf-8"))
    before = report["conditions"]
    different = sorted(key for key in {*before, *conditions} if before.get(key) != conditions.get(key))
    if different:
        key = different[0]
        raise SystemExit(
            f"{path} holds trainings of which {key} is {json.dumps(before.get(key))}; now it is "
            f"{json.dumps(conditions.get(key))}: keep them under this name and give the new ones another by "
            "--name, or remove the file"
        )
    trainings: list[dict[str, Any]] = report["trainings"]
    return trainings


def keep_trainings(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report with its `conditions` and `trainings`; a stop in between leaves the old file.

    Lists of numbers stand in one line each, so that a file of thousands stays readable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    trainings = [json.dumps(one, sort_keys=True) for one in report["trainings"]]
    marked = {**report, "trainings": [f"@{place}@" for place in range(len(trainings))]}
    text = json.dumps(marked, indent=2, sort_keys=True)
    for place, training in enumerate(trainings):
        text = text.replace(f'"@{place}@"', training)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)
