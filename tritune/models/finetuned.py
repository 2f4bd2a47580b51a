"""A fine-tuned classifier from its folder, with the names of its classes."""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tritune.errors import InputError


def load_finetuned(folder: Path) -> tuple[PreTrainedModel, list[str]]:
    """Return the model, on the CPU in evaluation mode with float32 weights, and its labels by class id.

    Reads safetensors only, and nothing from the network.

    Raises:
        InputError: The folder holds no fine-tuned classifier.
    """
    labels = class_names(folder)
    model, report = AutoModelForSequenceClassification.from_pretrained(
        str(folder),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"the weights in {folder} lack {len(missing)} tensors of a {type(model).__name__}, "
            f"{missing[0]} among them: this is no fine-tuned classifier; name a folder such as "
            "models/selected, which `tritune run` writes"
        )
    model.eval()
    return model, labels


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
