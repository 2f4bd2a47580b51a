"""The folder that a trained model is kept in: any program that knows transformers can load it."""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from tritune.models.adapters import merge_adapters
from tritune.models.finetuned import mark
from tritune.plan.tuning_plan import TuningPlan
from tritune.tokens import MODEL_FILES, TokensInfo
from tritune.training.stored_prefix import frozen_depth


def write_model(
    folder: Path, model: PreTrainedModel, plan: TuningPlan, *, base: Path, tokens: Path, info: TokensInfo
) -> None:
    """Write a folder that holds all that is needed to ask the model: weights, config, tokenizer.

    The model ends here: its adapters are merged into its weights.
    """
    frozen_layers = frozen_depth(model, plan)
    merge_adapters(model)
    mark(
        model,
        task=info.task,
        objective=info.objective,
        inputs=info.inputs,
        answering=info.answering,
        frozen_layers=frozen_layers,
    )
    for leftover in folder.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    model.to("cpu")
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves its files readable by their owner only
    for path in sorted(base.iterdir()):
        if path.is_file() and path.name != "config.json" and ".safetensors" not in path.name:
            shutil.copyfile(path, folder / path.name)
    if (tokens / MODEL_FILES).is_dir():
        shutil.copytree(tokens / MODEL_FILES, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    settings_path = folder / "tokenizer_config.json"
    settings: dict[str, Any] = json.loads(settings_path.read_text("utf-8")) if settings_path.exists() else {}
    # So that a pipeline made from this folder cuts texts where the training did.
    settings["model_max_length"] = info.max_length
    settings_path.write_text(
        json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
    )
