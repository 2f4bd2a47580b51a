"""The objectives by name."""

from collections.abc import Mapping
from typing import cast

from tritune.objectives import (
    causal_lm,
    multi_label,
    sequence_to_sequence,
    single_label,
    spans,
    token_labels,
)
from tritune.objectives.objective import Objective

OBJECTIVES: Mapping[str, Objective] = {
    module.name: cast(Objective, module)
    for module in (single_label, multi_label, token_labels, spans, causal_lm, sequence_to_sequence)
}


def objective_named(name: str) -> Objective:
    """Return the objective that tokens.json names.

    Raises:
        KeyError: there is none of that name.
    """
    return OBJECTIVES[name]
