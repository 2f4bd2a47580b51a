"""A dialogue model's part of the report: how its replies compare with the real ones, turn by turn."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.metrics.catalogue import NEGATIVE_LOG_LIKELIHOOD
from tritune.metrics.generated import rouge_l
from tritune.task.contract import Floor, Shipped

SHOWN = 8
"""Turns in each list."""

HISTORY = 4
"""Turns shown before a reply."""

MANY = 0.5
"""Share of replies stopped by their length from which on a person should know."""


def floor(profile: Mapping[str, Any], labels: Sequence[str]) -> Floor | None:  # noqa: ARG001
    """Return nothing: the floor, the untouched model, is measured by the stage `evaluate`."""
    return None


def cautions(name: str, shipped: Shipped) -> list[str]:
    """Return a warning for a model that the base model is not worse than, and for replies without an end.

    Args:
        name: of the method.
    """
    found = []
    if shipped.floor is not None:
        own = shipped.scores["validation"]["perplexity"]
        untouched = shipped.floor.scores["validation"]["perplexity"]
        if own >= untouched:
            found.append(
                f"{name} is no better than the model before any training: perplexity {own:.2f} against "
                f"{untouched:.2f} on the validation split. Try another learning rate, or look at the "
                "dialogues."
            )
    replies = _validation(shipped, written=True)
    endless = sum(not row["ended"] for row in replies)
    if replies and endless / len(replies) >= MANY:
        found.append(
            f"{endless} of {len(replies)} replies of {name} on the validation split had not ended after "
            "generate.max_new_tokens; their scores are of texts cut short. Raise it, or train for longer."
        )
    return found


def data_columns(part: Mapping[str, Any]) -> Mapping[str, int]:
    """Return what the table of splits tells besides rows and lengths."""
    return {"turns": part["turns"], "of the assistant": part["assistant_turns"]}


def block(shipped: Shipped) -> Mapping[str, Any]:
    """Return the variables of `show.html.j2`."""
    rows = _validation(shipped)
    replies = [row for row in rows if row["generated"] is not None]
    chance = replies[:: max(1, len(replies) // SHOWN)][:SHOWN]
    drawn = {(row["id"], row["turn"]) for row in chance}
    others = [row for row in replies if (row["id"], row["turn"]) not in drawn]
    unlike = sorted(others, key=lambda row: rouge_l(row["generated"], row["reference"]))[:SHOWN]
    surprising = sorted(rows, key=lambda row: -row[NEGATIVE_LOG_LIKELIHOOD])[:SHOWN]
    names = {row["id"] for row in (*chance, *unlike, *surprising)}
    dialogues = _dialogues(shipped, names)
    return {
        "turns": len(rows),
        "replies": len(replies),
        "ended": sum(bool(row["ended"]) for row in replies),
        "untouched": None if shipped.floor is None else shipped.floor.scores["validation"]["perplexity"],
        "perplexity": shipped.scores["validation"]["perplexity"],
        "lists": [
            ("Replies drawn by chance", [_shown(row, dialogues) for row in chance]),
            ("Replies least like the real ones", [_shown(row, dialogues) for row in unlike]),
            ("Real replies that surprise it most", [_shown(row, dialogues) for row in surprising]),
        ],
    }


def _shown(row: Mapping[str, Any], dialogues: Mapping[str, list[dict[str, str]]]) -> dict[str, Any]:
    history = dialogues[row["id"]][: row["turn"]]
    return {
        "id": row["id"],
        "turn": row["turn"] + 1,
        "left_out": max(0, len(history) - HISTORY),
        "history": history[-HISTORY:],
        "reference": row["reference"],
        "generated": row["generated"],
        "ended": row["ended"],
        "perplexity": math.exp(min(row[NEGATIVE_LOG_LIKELIHOOD], 700.0)),
    }


def _validation(shipped: Shipped, *, written: bool = False) -> list[dict[str, Any]]:
    table = pq.read_table(shipped.evaluation / "predictions.parquet")
    table = table.filter(pc.equal(table["split"], "validation"))
    if written:
        table = table.filter(pc.is_valid(table["generated"]))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _dialogues(shipped: Shipped, names: set[str]) -> dict[str, list[dict[str, str]]]:
    found = {}
    for batch in pq.ParquetFile(shipped.ingested / "validation.parquet").iter_batches(4096):
        found.update({row["id"]: row["messages"] for row in batch.to_pylist() if row["id"] in names})
    return found
