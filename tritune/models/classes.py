"""What a fine-tuned model is for, from its config alone: a quick check before torch is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritune.errors import InputError


@dataclass(frozen=True)
class Purpose:
    """What a model was fine-tuned for."""

    task: str = "text_classification"
    objective: str = "single_label"
    inputs: tuple[str, ...] = ("text",)
    """What an example has to have to be answered."""

    answering: Mapping[str, Any] = field(default_factory=dict)
    """What else is needed to treat a new example as the training's were."""


def purpose(folder: Path) -> Purpose:
    """Return what a fine-tuned model is for; a classifier of texts where its config does not say.

    Raises:
        InputError: The folder is missing, or holds no config and weights.
    """
    said = _config(folder).get("tritune")
    if not isinstance(said, dict):
        class_names(folder)
        return Purpose()
    return Purpose(
        str(said.get("task")),
        str(said.get("objective")),
        tuple(said.get("inputs", ())),
        said.get("answering", {}),
    )


def class_names(folder: Path) -> list[str]:
    """Return the name of each class or tag by its id.

    Raises:
        InputError: The folder is missing, or holds no fine-tuned classifier's config and weights.
    """
    try:
        names = _config(folder).get("id2label", {})
        ordered = [names[str(index)] for index in range(len(names))]
    except (KeyError, AttributeError, TypeError):
        ordered = []
    if len(ordered) < 2:
        raise InputError(
            f"{folder / 'config.json'} has no usable id2label: this is no fine-tuned classifier; "
            "name a folder such as models/selected, which `tritune run` writes"
        )
    return [str(name) for name in ordered]


def _config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; `tritune run` makes models/selected")
    config_file = folder / "config.json"
    if not config_file.is_file() or not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} is no model: it needs config.json and weights as safetensors; "
            "name a folder such as models/selected, which `tritune run` writes"
        )
    try:
        content = json.loads(config_file.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}
