"""A fine-tuned model from its folder: what it was trained for, and the names of its classes or tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from tritune.errors import InputError
from tritune.models.classes import class_names, purpose
from tritune.objectives.named import OBJECTIVES
from tritune.objectives.objective import Objective


@dataclass(frozen=True)
class FineTuned:
    """A model that can be asked."""

    model: PreTrainedModel
    """On the CPU, in evaluation mode, with float32 weights."""

    task: str
    objective: Objective
    labels: list[str]
    """By id; empty where the task has none."""

    frozen_layers: int
    """How many of the lowest layers are the base's, with all that is below them."""


def mark(
    model: PreTrainedModel,
    *,
    task: str,
    objective: str,
    inputs: Sequence[str],
    answering: Mapping[str, Any],
    frozen_layers: int = 0,
) -> None:
    """Write into a model's config what it was trained for, so that its folder says so."""
    model.config.tritune = {
        "task": task,
        "objective": objective,
        "inputs": list(inputs),
        "answering": dict(answering),
        "frozen_layers": frozen_layers,
    }


def load_finetuned(folder: Path) -> FineTuned:
    """Return the model of a folder that the stage `train` wrote.

    Reads safetensors only, and nothing from the network.

    Raises:
        InputError: The folder holds no fine-tuned model.
    """
    said = purpose(folder)
    if said.objective not in OBJECTIVES:
        raise InputError(
            f"{folder}/config.json says that the model was trained for {said.objective!r}, which is not "
            f"known here; known are {', '.join(OBJECTIVES)}; use the version of tritune that made the model"
        )
    objective = OBJECTIVES[said.objective]
    labels = class_names(folder) if "id2label" in objective.config(["a", "b"]) else []
    model, report = getattr(transformers, objective.auto_class).from_pretrained(
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
            f"{missing[0]} among them: this is no fine-tuned model; name a folder such as "
            "models/selected, which `tritune run` writes"
        )
    model.eval()
    frozen = int(getattr(model.config, "tritune", {}).get("frozen_layers", 0))
    return FineTuned(model, said.task, objective, labels, frozen)
