"""From sentences as given to three splits fit for training a tagger, and what had to be left out for that."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tritune.data.cleaned import Cleaned, Findings, cleaned_splits, noticed, refuse_empty_cut
from tritune.data.facts import Rows
from tritune.data.files import SPLITS
from tritune.data.profile import WHY, findings, quantiles
from tritune.data.tagged import separate_tags
from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.tags import Scheme, all_tags, entities, malformed, scheme_of, tag_type

WHY_TAGGED = WHY | {
    "repeated": "the same text with the same tags came before",
    "conflicting_label": "the same text stands elsewhere with other tags",
}


@dataclass(frozen=True)
class Tagged:
    """Splits of a tagging task."""

    cleaned: Cleaned
    scheme: Scheme
    labels: list[str]
    """The scheme's tags of the types that are learnt, `O` first."""

    given: dict[str, int]
    """Rows of each split that the source has."""

    noticed: Findings
    dropped_types: dict[str, int]
    """Type of entity -> distinct training texts that it had. Its entities stay, and count as missed."""


def tagged_splits(given: Mapping[str, Rows], *, settings: DataSettings) -> Tagged:
    """Return cleaned train, validation and test rows.

    No entity of a validation or test row is ever taken out: one of a type that is not learnt is there to be
    missed.

    Args:
        given: Rows by split; "train" is there. Texts of given validation and test rows are not blank.
        settings: Fractions, and what to do with rare types.

    Raises:
        InputError: No entity in the training rows, a type that no training row has, a type with too few
            distinct training texts, or nothing left in a split.
    """
    known = sorted(set().union(*(_types(tags) for tags, _ in sentences(given["train"]))))
    if not known:
        raise InputError(
            f"{given['train'].file.original}: every word has the tag O, so there is no entity to learn; "
            "is data.tags in params.yaml the right column?"
        )
    for split in ("validation", "test"):
        if split in given:
            _refuse_unknown(given[split], known)
    scheme = scheme_of(tags for rows in given.values() for tags, _ in sentences(rows))
    cleaned = cleaned_splits(given, settings=settings)
    rare = _rare_types(cleaned.splits["train"], known, settings)
    refuse_empty_cut(cleaned, len(given["train"]), settings=settings)
    return Tagged(
        cleaned=cleaned,
        scheme=scheme,
        labels=all_tags([name for name in known if name not in rare], scheme),
        given={split: len(given[split]) for split in SPLITS if split in given},
        noticed=noticed(cleaned.splits),
        dropped_types=rare,
    )


def tagged_profile(data: Tagged, *, task: str) -> dict[str, Any]:
    """Return what the data look like, fit for JSON."""
    return {
        "task": task,
        "labels": data.labels,
        "tag_scheme": data.scheme,
        "rows_given": data.given,
        "splits_cut_from_train": data.cleaned.cut,
        "splits": {split: _split(rows, data.scheme) for split, rows in data.cleaned.splits.items()},
        "dropped": findings(data.cleaned.dropped, why=WHY_TAGGED),
        "dropped_types": data.dropped_types,
        "noticed_and_kept": findings(data.noticed, why=WHY_TAGGED),
    }


def sentences(rows: Rows) -> Iterator[tuple[list[str], int]]:
    """Yield the tags of each sentence and how many rows have just these tags, each once and in no order.

    All that is told of tags is told of these: they are far fewer than the rows, and need no text.
    """
    counts = np.bincount(rows.labels, minlength=len(rows.facts.names))
    for name, count in zip(rows.facts.names, counts.tolist(), strict=True):
        if count:
            yield separate_tags(name), count


def _split(rows: Rows, scheme: Scheme) -> dict[str, Any]:
    found, tagged = Counter[str](), Counter[str]()
    broken, words, counts = 0, [], []
    for tags, count in sentences(rows):
        for one in entities(tags):
            found[one.type] += count
        for tag in tags:
            tagged[tag] += count
        broken += count * malformed(tags, scheme)
        words.append(len(tags))
        counts.append(count)
    return {
        "rows": len(rows),
        "distinct_texts": len(np.unique(rows.keys)),
        "entities": found.total(),
        "entities_per_type": dict(sorted(found.items())),
        "words_per_tag": dict(sorted(tagged.items())),
        "malformed_transitions": broken,
        "words": quantiles(np.repeat(words, counts)),
        "characters": quantiles(rows.facts.characters[rows.positions]),
    }


def _types(tags: Sequence[str]) -> set[str]:
    """Return the types of entities that some tags name."""
    return {name for tag in tags if (name := tag_type(tag)) is not None}


def _refuse_unknown(rows: Rows, known: Sequence[str]) -> None:
    types = [_types(separate_tags(name)) - set(known) for name in rows.facts.names]
    found = np.flatnonzero(np.array([bool(some) for some in types], np.bool_)[rows.labels])
    if not len(found):
        return
    first = int(found[0])
    tags = separate_tags(rows.facts.names[rows.labels[first]])
    name = next(name for tag in tags if (name := tag_type(tag)) is not None and name not in known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    more = f" and {len(known) - 10} more" if known[10:] else ""
    raise InputError(
        f"{rows.place(first)}: no training row has entities of the type {name!r}{hint}; correct it, or add "
        f"training rows with such entities. The training rows have {', '.join(map(repr, known[:10]))}{more}"
    )


def _rare_types(train: Rows, known: Sequence[str], settings: DataSettings) -> dict[str, int]:
    """Return each type that too few training rows have (they are distinct by now), and how many do."""
    count = Counter[str]()
    for tags, rows in sentences(train):
        count.update(dict.fromkeys(_types(tags), rows))
    rare = {name: count[name] for name in known if count[name] < settings.min_rows_per_class}
    if rare and (settings.rare_classes == "error" or len(rare) == len(known)):
        few = sorted(rare, key=lambda name: (rare[name], name))
        listed = ", ".join(f"{name!r} ({rare[name]})" for name in few[:5])
        more = f" and {len(few) - 5:,} more" if len(few) > 5 else ""
        advice = (
            "" if len(rare) == len(known) else ", or set data.rare_classes: drop not to learn these types"
        )
        raise InputError(
            f"data.min_rows_per_class: {len(few):,} of {len(known):,} types of entities are in fewer than "
            f"{settings.min_rows_per_class} distinct training texts: {listed}{more}. Add rows, or lower it"
            f"{advice}"
        )
    return rare
