"""What a classifier's model card says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tritune.markdown import code
from tritune.metrics.temperature import TEMPERATURE
from tritune.task.contract import CardText

SHOWN_LABELS = 200


def _temperature_words(decided: Mapping[str, Any]) -> str:
    if TEMPERATURE not in decided:
        return ""
    return (
        f" Its probabilities are those of its logits divided by {decided[TEMPERATURE]}, a temperature set on "
        "the validation split; `tritune predict` does that, other programs have to."
    )


def card_text(comparison: Mapping[str, Any]) -> CardText:
    """Return the words for the model that the comparison chose."""
    labels: Sequence[str] = comparison["labels"]
    more = f" and {len(labels) - SHOWN_LABELS} more in `config.json`" if len(labels) > SHOWN_LABELS else ""
    several = comparison["objective"] == "multi_label"
    amount = "any number" if several else "one"
    return CardText(
        tag="text-classification",
        title=f"Text classifier with {len(labels)} labels",
        does=f"gives a text {amount} of {len(labels)} labels, with a probability for each.",
        limits="It answers for texts like those it was trained on."
        + (
            ""
            if several
            else " A text that fits none of the labels gets one all the same, often with high confidence."
        )
        + _temperature_words(comparison["decided"]),
        command='echo "a text" | tritune predict --model FOLDER',
        example=(
            "from transformers import pipeline",
            "",
            'classify = pipeline("text-classification", model="FOLDER")',
            'classify("a text", truncation=True)',
        ),
        closing=("## Labels", "", ", ".join(map(code, labels[:SHOWN_LABELS])) + more, ""),
    )
