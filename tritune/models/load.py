"""A base model made ready for an objective: with its weights for training, or without for planning."""

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from tritune.errors import InputError
from tritune.models.adapters import add_adapters
from tritune.models.fresh import refuse_incomplete
from tritune.models.silence import silence
from tritune.objectives.named import objective_named
from tritune.objectives.objective import Objective
from tritune.plan.tuning_plan import Adapters

ENCODERS = "BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT"
HEADS = {
    "AutoModelForSequenceClassification": ("text classification", f"an encoder such as {ENCODERS}"),
    "AutoModelForTokenClassification": (
        "token classification",
        f"an encoder such as {ENCODERS}, a decoder such as GPT-2 or Llama, or T5, of which the encoder half "
        "is trained",
    ),
    "AutoModelForQuestionAnswering": ("spans of answers", f"an encoder such as {ENCODERS}"),
    "AutoModelForCausalLM": ("continuing a text", "a decoder such as GPT-2, Llama or SmolLM2"),
    "AutoModelForSeq2SeqLM": ("writing a text about another", "an encoder-decoder such as T5 or BART"),
}
"""What each class of transformers adds to a body, and which models have it."""


def load_model(
    folder: Path, *, objective: str, labels: Sequence[str], seed: int, adapters: Adapters | None = None
) -> tuple[PreTrainedModel, list[str]]:
    """Return the model in float32 on the CPU, and the names of its newly initialised tensors, sorted.

    New tensors are drawn from `seed` alone, so that every method starts from the same head; the caller's
    random state is untouched. A head for another number of classes counts as new.

    Args:
        folder: config.json, safetensors and tokenizer. Nothing else is read, and no code from it is run.
        objective: As in tokens.json, see `tritune.objectives.named`.
        labels: Names of the classes or tags, in the order of their ids; empty where the objective has none.
        seed: At least 0.
        adapters: Are put in, drawn from the seed after the head, which is therefore the same without them.

    Raises:
        InputError: The folder's architecture has no head for the objective, its config.json is unusable, or
            its weights can't be read or leave a part random that should be pretrained.
    """
    # The CPU's generator alone: the model is built there, and a GPU's state is the caller's too.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model, new = _load(folder, objective_named(objective), labels, device_map=None)
        if adapters is not None:
            new = sorted([*new, *add_adapters(model, adapters)])
        return model, new


def empty_model(folder: Path, *, objective: str, labels: Sequence[str]) -> tuple[PreTrainedModel, list[str]]:
    """Return what `load_model` returns, on the meta device: names and shapes, but no weights.

    Raises:
        InputError: As `load_model`.
    """
    return _load(folder, objective_named(objective), labels, device_map="meta")


def _load(
    folder: Path, objective: Objective, labels: Sequence[str], *, device_map: str | None
) -> tuple[PreTrainedModel, list[str]]:
    auto = getattr(transformers, objective.auto_class)
    config = _config(folder, objective, labels)
    try:
        # The report on new and unused tensors is ours to give: as the plan's `new_tensors`.
        with silence():
            model, report = auto.from_pretrained(
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
    parameters = {name for name, _ in model.named_parameters()}
    new = (set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}) & parameters
    refuse_incomplete(folder, model, new)
    return model, sorted(new)


def _config(folder: Path, objective: Objective, labels: Sequence[str]) -> PretrainedConfig:
    try:
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, **objective.config(labels)
        )
    except (OSError, ValueError, StrictDataclassError) as error:
        raise _unusable_config(folder, error) from None
    if type(config) not in getattr(transformers, objective.auto_class)._model_mapping:
        purpose, would_do = HEADS[objective.auto_class]
        if config.model_type == "encoder-decoder":
            raise InputError(
                f"an encoder paired with a decoder ({folder}) has no head for {purpose} in transformers; "
                f"leave model.decoder out, or take {would_do}"
            )
        raise InputError(
            f"model type {config.model_type} ({folder}) has no head for {purpose} in transformers; "
            f"take {would_do}"
        )
    if getattr(config, "pad_token_id", None) is None:
        # Decoders look for the last token that is not padding.
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) else end
    writes_second_text = objective.auto_class == "AutoModelForSeq2SeqLM"
    if writes_second_text and getattr(config, "decoder_start_token_id", None) is None:
        raise InputError(
            f"{folder}/config.json has no decoder_start_token_id, the token that every answer begins with; "
            "take the config.json that the model was published with"
        )
    return config


def _unusable_config(folder: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    if len(reason) > 200:
        reason = f"{reason[:200]} ..."
    return InputError(
        f"{folder}/config.json describes no model that transformers can build: {reason}; take the "
        "config.json that the model was published with"
    )
