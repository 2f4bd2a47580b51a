"""Which of the three families a model is of, and what it can be trained for, task by task."""

from typing import Any, Literal

from tritune.errors import InputError

Family = Literal["encoder", "decoder", "encoder_decoder"]

OBJECTIVES: dict[str, dict[Family, str]] = {
    "text_classification": {
        "encoder": "single_label",
        "decoder": "single_label",
        "encoder_decoder": "single_label",
    },
    "named_entity_recognition": {
        "encoder": "token_labels",
        "decoder": "token_labels",
        "encoder_decoder": "token_labels",
    },
    "question_answering": {
        "encoder": "spans",
        "decoder": "causal_lm",
        "encoder_decoder": "sequence_to_sequence",
    },
    "dialogue": {"decoder": "causal_lm", "encoder_decoder": "sequence_to_sequence"},
}
"""What a family learns in each task; where it is missing, the pair makes no sense."""

WITH_ARTICLE: dict[Family, str] = {
    "encoder": "an encoder",
    "decoder": "a decoder",
    "encoder_decoder": "an encoder-decoder",
}
EXAMPLES: dict[Family, str] = {
    "encoder": "an encoder such as BERT, RoBERTa or DeBERTa-v2",
    "decoder": "a decoder such as GPT-2, Llama or SmolLM2",
    "encoder_decoder": "an encoder-decoder such as T5 or BART",
}


def family_of(config: Any) -> Family:
    """Return the family of a model by its transformers config.

    What fills in masked words reads in both directions: an encoder. What only continues a text is a decoder.
    """
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    if getattr(config, "is_encoder_decoder", False):
        return "encoder_decoder"
    only_continues = (
        config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )
    return "decoder" if only_continues else "encoder"


def objective_of(task: str, family: Family, *, multi_label: bool = False) -> str:
    """Return what a model of this family is trained for in this task.

    Raises:
        InputError: the pair makes no sense; the message says which model would do.
    """
    able = OBJECTIVES[task]
    if family not in able:
        would_do = " or ".join(EXAMPLES[one] for one in able)
        raise InputError(
            f"model.source: {WITH_ARTICLE[family]} can't be trained for task: {task}, which needs a model "
            f"that writes text; take {would_do}"
        )
    return "multi_label" if multi_label and able[family] == "single_label" else able[family]
