"""A fine-tuned classifier from its folder, with the names of its classes."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from tritune.errors import InputError
from tritune.models.classes import class_names


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
