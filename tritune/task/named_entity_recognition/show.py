"""A tagger's part of the report: its floor, its types, what it confuses, and texts that it got wrong."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tritune.metrics.entities import Mistake, mistakes
from tritune.tags import OUTSIDE, Entity, entities
from tritune.task.contract import Floor, Shipped

SHOWN = 15
"""Rows of a table, and texts."""

AROUND = 12
"""Words shown before the first and after the last mistake of a text."""

LONGEST = 80
"""Words shown of a text at most."""


class Piece(NamedTuple):
    """Some words of a shown text: an entity, or what stands between two."""

    text: str
    type: str | None
    right: bool


def floor(profile: Mapping[str, Any], labels: Sequence[str]) -> Floor | None:  # noqa: ARG001
    """Return what a model scores that finds no entity."""
    scores = {}
    for split in ("validation", "test"):
        words = profile["splits"][split]["words_per_tag"]
        scores[split] = {
            "entity_f1": 0.0,
            "entity_precision": 0.0,
            "entity_recall": 0.0,
            "accuracy": words.get(OUTSIDE, 0) / sum(words.values()) if words else 0.0,
        }
    return Floor(name="no entity at all", scores=scores)


def cautions(name: str, shipped: Shipped) -> list[str]:
    """Return warnings of a model that finds nothing, of entities it can't find, and of tags that break rules.

    Args:
        name: of the method.
    """
    found = []
    if shipped.scores["validation"]["entity_f1"] == 0:
        found.append(
            f"{name} finds no entity of the validation split. Train for longer, try a higher learning rate, "
            "or look at the tags."
        )
    dropped = shipped.profile["dropped_types"]
    for split, part in shipped.profile["splits"].items():
        lost = {
            kind: part["entities_per_type"][kind] for kind in dropped if kind in part["entities_per_type"]
        }
        if lost and split != "train":
            listed = ", ".join(f"{kind!r} ({count})" for kind, count in lost.items())
            found.append(
                f"{sum(lost.values())} entities of the {split} split are of types that were not learnt, and "
                f"count as missed: {listed}. Add training rows with such entities."
            )
        if part["malformed_transitions"]:
            found.append(
                f"{part['malformed_transitions']} tags of the {split} split break the rules of "
                f"{shipped.profile['tag_scheme']}, such as I-x after O; each begins an entity, as seqeval "
                "reads it. Look for entities cut in two."
            )
    return found


def data_columns(part: Mapping[str, Any]) -> Mapping[str, int]:
    """Return what the table of splits tells besides rows and lengths."""
    return {"words": sum(part["words_per_tag"].values()), "entities": part["entities"]}


def block(shipped: Shipped) -> Mapping[str, Any]:
    """Return the variables of `show.html.j2`."""
    per_type = read_per_type(shipped.evaluation / "per_type.csv")
    texts = list(wrong_texts(shipped.evaluation / "predictions.parquet"))
    words = words_of(shipped.ingested / "validation.parquet")
    surest = sorted(texts, key=lambda one: -one["probability"])[:SHOWN]
    return {
        "per_type": sorted(per_type, key=lambda row: row["validation"]["f1"]),
        "confused": confusions(one["mistakes"] for one in texts)[:SHOWN],
        "wrong_texts": len(texts),
        "texts": [
            {
                "id": one["id"],
                "probability": one["probability"],
                **dict(
                    zip(
                        ("gold", "predicted", "begins", "ends"),
                        shown_text(words[one["id"]], one["tags"], one["predicted"], one["mistakes"]),
                        strict=True,
                    )
                ),
            }
            for one in surest
        ],
    }


def read_per_type(path: Path) -> list[dict[str, Any]]:
    """Return one row per type: its name, and the scores of both splits, 0 where there is none of it."""
    none = {"entities": 0, "predicted": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    found: dict[str, dict[str, Any]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = found.setdefault(row["type"], {"type": row["type"], "validation": none, "test": none})
            kind[row["split"]] = {
                "entities": int(row["entities"]),
                "predicted": int(row["predicted"]),
                **{name: float(row[name]) for name in ("precision", "recall", "f1")},
            }
    return list(found.values())


def wrong_texts(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the validation texts with mistakes: id, tags, predicted, mistakes, and how sure the surest is.

    A mistake's probability is that of the least sure tag of the words that it is about.
    """
    for batch in pq.ParquetFile(path).iter_batches(4096):
        for row in batch.filter(pc.equal(batch.column("split"), "validation")).to_pylist():
            wrong = mistakes(row["tags"], row["predicted"])
            if wrong:
                sure = [
                    min(row["probabilities"][place.start : place.end])
                    for mistake in wrong
                    if (place := mistake.predicted or mistake.gold) is not None
                ]
                yield {
                    "id": row["id"],
                    "tags": row["tags"],
                    "predicted": row["predicted"],
                    "mistakes": wrong,
                    "probability": max(sure),
                }


def words_of(path: Path) -> dict[str, list[str]]:
    """Return the words of each text by its id."""
    table = pq.read_table(path, columns=["id", "tokens"])
    return dict(zip(table.column("id").to_pylist(), table.column("tokens").to_pylist(), strict=True))


def confusions(texts: Iterator[Sequence[Mistake]]) -> list[tuple[str, str, int]]:
    """Return (what is in the file, what the model found, entities), most frequent first."""
    count = Counter(_kind(mistake) for wrong in texts for mistake in wrong)
    ordered = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    return [(gold, found, number) for (gold, found), number in ordered]


def _kind(mistake: Mistake) -> tuple[str, str]:
    gold, found = mistake
    if gold is None or found is None:
        return (gold.type if gold else "no entity", found.type if found else "nothing")
    if gold.type == found.type:
        return gold.type, f"{found.type}, other words"
    same_words = (gold.start, gold.end) == (found.start, found.end)
    return gold.type, found.type if same_words else f"{found.type}, other words"


def shown_text(
    words: Sequence[str], tags: Sequence[str], predicted: Sequence[str], wrong: Sequence[Mistake]
) -> tuple[list[Piece], list[Piece], bool, bool]:
    """Return the text twice, with the file's entities and the model's; whether start and end are shown."""
    places = [one for mistake in wrong for one in mistake if one is not None]
    start = max(0, min(one.start for one in places) - AROUND)
    end = min(len(words), max(one.end for one in places) + AROUND, start + LONGEST)
    gold, found = entities(tags), entities(predicted)
    right = set(gold) & set(found)
    return (
        _pieces(words, gold, right, start, end),
        _pieces(words, found, right, start, end),
        start == 0,
        end == len(words),
    )


def _pieces(
    words: Sequence[str], marked: Sequence[Entity], right: set[Entity], start: int, end: int
) -> list[Piece]:
    pieces: list[Piece] = []
    at = start
    for one in marked:
        first, last = max(one.start, start), min(one.end, end)
        if first >= last:
            continue
        if at < first:
            pieces.append(Piece(" ".join(words[at:first]), None, True))
        pieces.append(Piece(" ".join(words[first:last]), one.type, one in right))
        at = last
    if at < end:
        pieces.append(Piece(" ".join(words[at:end]), None, True))
    return pieces
