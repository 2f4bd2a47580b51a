"""What a training changed in its model: the content of `changes.json`, from the stage `evaluate`.

Three measures of each height: how far its weights moved, how unlike the base's its representations became,
and what could already be answered from it. All look at a fixed sample, so that methods can be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from tritune.explanation.layer_states import each_nth, even_rows, layer_states, mean_of_row
from tritune.explanation.linear_cka import linear_cka
from tritune.explanation.ridge_probe import ridge_probe
from tritune.explanation.weight_drift import weight_drift
from tritune.objectives.multi_label import targets_of
from tritune.tags import OUTSIDE
from tritune.tokens import IGNORED, TokenTable

ALIKE_ROWS = 48
"""Validation rows whose representations are compared."""

ALIKE_TOKENS = 1024
"""Of these rows' tokens, spread evenly: about so many at most, which bounds memory."""

PROBE_TRAIN_ROWS, PROBE_VALIDATION_ROWS = 256, 128
"""Rows that a probe learns from, and rows that it is scored on."""

PROBE_TOKENS = 4096
"""Tokens of the rows that a probe of tags learns from, about at most: fewer rows where they are long."""

NO_PROBE = {
    "spans": "where an answer starts and ends depends on all places at once, not on one state",
    "causal_lm": "what a model writes is no class that a weighted sum could name",
    "sequence_to_sequence": "what a model writes is no class that a weighted sum could name",
}


def changes(
    before: Any,
    after: Any,
    *,
    objective: str,
    labels: Sequence[str],
    training: TokenTable,
    validation: TokenTable,
    pad_token_id: int,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> dict[str, Any]:
    """Return `drift`, `alike` and `probe`, fit for JSON.

    The first two, and `values` of the third, are lists of [part or height, number], lowest first; `probe` has
    also what its `score` is called, or, alone, why it was `left_out`.

    Args:
        before: The model as training began, in evaluation mode.
        after: The same, tuned.
        objective: As in tokens.json.
        labels: Names of the classes or tags by their ids.
        training: With 1 row or more.
        validation: With 1 row or more.
        precision: Of the models' matrix products.
    """
    states = partial(layer_states, pad_token_id=pad_token_id, precision=precision)
    return {
        "drift": _listed(weight_drift(before, after)),
        "alike": _listed(_alike(before, after, validation, states)),
        "probe": {"left_out": NO_PROBE[objective]}
        if objective in NO_PROBE
        else _probe(partial(states, after), training, validation, objective=objective, labels=labels),
    }


def _alike(
    before: Any, after: Any, table: TokenTable, states: Callable[..., dict[str, torch.Tensor]]
) -> dict[str, float]:
    rows = even_rows(table, ALIKE_ROWS)
    step = -(-int(table.lengths[rows].sum()) // ALIKE_TOKENS)
    old, new = (states(model, table, rows, pick=each_nth(step)) for model in (before, after))
    return {name: linear_cka(old[name], new[name]) for name in new}


def _probe(
    states_of: Callable[..., dict[str, torch.Tensor]],
    training: TokenTable,
    validation: TokenTable,
    *,
    objective: str,
    labels: Sequence[str],
) -> dict[str, Any]:
    """Return what a probe of each height scores on validation rows."""
    of_tokens = objective == "token_labels"
    sides = []
    for table, at_most in ((training, PROBE_TRAIN_ROWS), (validation, PROBE_VALIDATION_ROWS)):
        fitting = max(1, int(PROBE_TOKENS // table.lengths.mean())) if of_tokens else at_most
        rows = even_rows(table, min(at_most, fitting))
        pick = each_nth(1) if of_tokens else mean_of_row
        states = states_of(table, rows, pick=pick, labelled_only=of_tokens)
        sides.append((states, _answers(table, rows, objective=objective, labels=len(labels))))
    (known, known_answers), (asked, asked_answers) = sides
    if len(known_answers) == 0 or len(asked_answers) == 0:
        return {"left_out": "no word of the sample has a tag to learn from"}
    several = objective == "multi_label"
    targets = torch.from_numpy(known_answers if several else np.eye(len(labels))[known_answers])
    outside = labels.index(OUTSIDE) if of_tokens and OUTSIDE in labels else None
    return {
        "score": "F1 of all labels" if several else "F1 of the entities' words" if of_tokens else "accuracy",
        "values": _listed(
            {
                name: _score(
                    ridge_probe(known[name], targets, asked[name]).numpy(),
                    asked_answers,
                    several=several,
                    outside=outside,
                )
                for name in asked
            }
        ),
    }


def _listed(values: Mapping[str, float]) -> list[list[Any]]:
    return [[name, value] for name, value in values.items()]


def _answers(table: TokenTable, rows: np.ndarray, *, objective: str, labels: int) -> np.ndarray:
    """Return [rows] classes, [rows, labels] of 0 and 1, or the tag of every labelled token of the rows."""
    if objective == "multi_label":
        targets: np.ndarray = targets_of(table, labels=labels)[rows]
        return targets
    found: np.ndarray = np.concatenate([table.row_labels(int(row)) for row in rows])
    tags: np.ndarray = found[found != IGNORED].astype(np.int64)
    return tags


def _score(said: np.ndarray, right: np.ndarray, *, several: bool, outside: int | None) -> float:
    """Return accuracy, or F1 over all decisions for a label other than "no entity"."""
    if several:
        chosen, wanted = said >= 0.5, right >= 0.5
        hits, given, due = (chosen & wanted).sum(), chosen.sum(), wanted.sum()
    else:
        best = said.argmax(axis=1)
        if outside is None:
            return float((best == right).mean())
        hits = ((best == right) & (right != outside)).sum()
        given, due = (best != outside).sum(), (right != outside).sum()
    return float(2 * hits / (given + due)) if given + due else 0.0
