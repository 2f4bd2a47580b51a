"""A base model with a classification head: with its weights for training, or without for planning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
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
        InputError: The folder's architecture has no classification head, its config.json is unusable, or its
            weights can't be read or leave a part of the pretrained body random.
    """
    # The CPU's generator alone: the model is built there, and a GPU's state is the caller's too.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
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
    except ValueError as error:
        raise _unusable_config(folder, error) from None
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    parameters = {name for name, _ in model.named_parameters()}
    new = set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}
    _refuse_incomplete_body(folder, model, new & parameters)
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
    except (OSError, ValueError, StrictDataclassError) as error:
        raise _unusable_config(folder, error) from None
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise InputError(
            f"model type {config.model_type} ({folder}) has no head for text classification in transformers; "
            "take an encoder such as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT"
        )
    if getattr(config, "pad_token_id", None) is None:
        # Decoders look for the last token that is not padding.
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) else end
    return config


def _unusable_config(folder: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    if len(reason) > 200:
        reason = f"{reason[:200]} ..."
    return InputError(
        f"{folder}/config.json describes no model that transformers can build: {reason}; take the "
        "config.json that the model was published with"
    )


def _refuse_incomplete_body(folder: Path, model: PreTrainedModel, new: set[str]) -> None:
    """Refuse weights that leave a part of the body random: the training would start from no pretrained model.

    A whole pooler may be new, which models pretrained without one lack: a direct child of the body with
    matrices, but neither layers nor embeddings.
    """
    body = model.base_model
    prefix = "" if body is model else f"{model.base_model_prefix}."
    lost = []
    for child, module in body.named_children():
        tensors = {f"{prefix}{child}.{name}" for name, _ in module.named_parameters()}
        kinds = {type(part) for part in module.modules()}
        pooler = nn.Linear in kinds and not kinds & {nn.ModuleList, nn.Embedding}
        if not (pooler and tensors <= new):
            lost += sorted(tensors & new)
    if lost:
        raise InputError(
            f"the weights in {folder} lack {len(lost)} tensors of the {type(body).__name__} that its "
            f"config.json describes, or have them in another shape, {lost[0]} among them; take config.json "
            "and weights from the same model, with all its files"
        )
