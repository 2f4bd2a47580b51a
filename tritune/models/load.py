"""A base model with a classification head: with its weights for training, or without for planning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from tritune.errors import InputError


def load_classifier(folder: Path, *, labels: Sequence[str], seed: int) -> tuple[PreTrainedModel, list[str]]:
    """Return the model in float32 on the CPU, and the names of its newly initialised tensors, sorted.

    New tensors are drawn from `seed` alone, so that every method starts from the same head; the caller's
    random state is untouched. A head for another number of classes counts as new.

    Args:
        folder: config.json, safetensors and tokenizer. Nothing else is read, and no code from it is run.
        labels: names of the classes, in the order of their ids.
        seed: at least 0.

    Raises:
        InputError: The folder's architecture has no classification head, or its weights can't be read.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _load(folder, labels, device_map=None)


def empty_classifier(folder: Path, *, labels: Sequence[str]) -> tuple[PreTrainedModel, list[str]]:
    """Return what `load_classifier` returns, on the meta device: names and shapes, but no weights.

    Raises:
        InputError: As `load_classifier`.
    """
    return _load(folder, labels, device_map="meta")


def _load(
    folder: Path, labels: Sequence[str], *, device_map: str | None
) -> tuple[PreTrainedModel, list[str]]:
    config = _config(folder, labels)
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # The report on new and unused tensors is ours to give: as the plan's `new_tensors`.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            device_map=device_map,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the weights in {folder} can't be read ({error}); copy the model anew, with all its files"
        ) from None
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    parameters = {name for name, _ in model.named_parameters()}
    new = set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}
    _refuse_foreign_weights(folder, model, new & parameters)
    return model, sorted(new & parameters)


def _config(folder: Path, labels: Sequence[str]) -> PretrainedConfig:
    names: dict[str, Any] = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
    try:
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, **names
        )
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{folder}/config.json is no model that transformers knows: {reason}") from None
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise InputError(
            f"model type {config.model_type} ({folder}) has no head for text classification in transformers; "
            "take an encoder such as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT"
        )
    if config.pad_token_id is None:
        # Decoders look for the last token that is not padding.
        end = config.eos_token_id
        config.pad_token_id = end[0] if isinstance(end, list) else end
    return config


def _refuse_foreign_weights(folder: Path, model: PreTrainedModel, new: set[str]) -> None:
    """Refuse weights that fill nothing of the body: they belong to another architecture."""
    body = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()} & {
        name for name, _ in model.named_parameters()
    }
    if body and body <= new:
        raise InputError(
            f"none of the weights in {folder} fits {type(model).__name__}, which its config.json names; "
            "take config.json and weights from the same model"
        )
