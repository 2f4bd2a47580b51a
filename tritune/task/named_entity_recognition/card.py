"""What a tagger's model card says of it."""

from collections.abc import Mapping
from typing import Any

from tritune.markdown import code
from tritune.tags import tag_type
from tritune.task.contract import CardText

SHOWN_TYPES = 200


def card_text(comparison: Mapping[str, Any]) -> CardText:
    """Return the words for the model that the comparison chose."""
    types = sorted({name for tag in comparison["labels"] if (name := tag_type(tag)) is not None})
    more = f" and {len(types) - SHOWN_TYPES} more in `config.json`" if len(types) > SHOWN_TYPES else ""
    kinds = "one type" if len(types) == 1 else f"{len(types)} types"
    return CardText(
        tag="token-classification",
        title=f"Named-entity recogniser with {kinds}",
        does=f"finds entities of {kinds} in a text, each with its place and a probability.",
        limits="It finds what is like the entities it was trained on, in texts like those; names that are "
        "new to it are where it errs most. Its probability is that of the least sure word of an entity.",
        command='echo "a text" | tritune predict --model FOLDER',
        example=(
            "from transformers import pipeline",
            "",
            'find = pipeline("token-classification", model="FOLDER", aggregation_strategy="first")',
            'find("a text")  # parts words at white space and punctuation in its own way',
        ),
        closing=("## Types", "", ", ".join(map(code, types[:SHOWN_TYPES])) + more, ""),
    )
