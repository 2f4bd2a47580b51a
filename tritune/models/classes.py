"""The class names of a fine-tuned classifier, from its config alone: a quick check before torch is loaded."""

import json
from pathlib import Path

from tritune.errors import InputError


def class_names(folder: Path) -> list[str]:
    """Return the label of each class id.

    Raises:
        InputError: The folder is missing, or holds no fine-tuned classifier's config and weights.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; `tritune run` makes models/selected")
    config_file = folder / "config.json"
    if not config_file.is_file() or not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} is no model: it needs config.json and weights as safetensors; "
            "name a folder such as models/selected, which `tritune run` writes"
        )
    try:
        names = json.loads(config_file.read_text(encoding="utf-8")).get("id2label", {})
        ordered = [names[str(index)] for index in range(len(names))]
    except (ValueError, KeyError, AttributeError, TypeError):
        ordered = []
    if len(ordered) < 2:
        raise InputError(
            f"{config_file} has no usable id2label: this is no fine-tuned classifier; "
            "name a folder such as models/selected, which `tritune run` writes"
        )
    return [str(name) for name in ordered]
