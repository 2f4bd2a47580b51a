"""From sentences as given to three splits fit for training a tagger, and what had to be left out for that."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tritune.data.cleaned import Cleaned, Findings, cleaned_splits, noticed, refuse_empty_cut
from tritune.data.files import SPLITS
from tritune.data.profile import WHY, findings, quantiles
from tritune.data.rows import place
from tritune.data.tagged import TaggedRow
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

    cleaned: Cleaned[TaggedRow]
    scheme: Scheme
    labels: list[str]
    """The scheme's tags of the types that are learnt, `O` first."""

    given: dict[str, int]
    """Rows of each split that the source has."""

    noticed: Findings[TaggedRow]
    dropped_types: dict[str, int]
    """Type of entity -> distinct training texts that it had. Its entities stay, and count as missed."""


def tagged_splits(given: Mapping[str, Sequence[TaggedRow]], *, settings: DataSettings) -> Tagged:
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
    known = sorted(set(_types(given["train"])))
    if not known:
        raise InputError(
            f"{given['train'][0].file.original}: every word has the tag O, so there is no entity to learn; "
            "is data.tags in params.yaml the right column?"
        )
    for split in ("validation", "test"):
        _refuse_unknown(given.get(split, ()), known)
    scheme = scheme_of(row.tags for split in SPLITS for row in given.get(split, ()))
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


def _split(rows: Sequence[TaggedRow], scheme: Scheme) -> dict[str, Any]:
    found = Counter(one.type for row in rows for one in entities(row.tags))
    tags = Counter(tag for row in rows for tag in row.tags)
    return {
        "rows": len(rows),
        "distinct_texts": len({row.key for row in rows}),
        "entities": found.total(),
        "entities_per_type": dict(sorted(found.items())),
        "words_per_tag": dict(sorted(tags.items())),
        "malformed_transitions": sum(malformed(row.tags, scheme) for row in rows),
        "words": quantiles([len(row.words) for row in rows]),
        "characters": quantiles([len(row.text) for row in rows]),
    }


def _types(rows: Sequence[TaggedRow]) -> Iterator[str]:
    """Yield the type of each tag that has one, as often as it stands there."""
    for row in rows:
        for tag in row.tags:
            if (name := tag_type(tag)) is not None:
                yield name


def _refuse_unknown(rows: Sequence[TaggedRow], known: Sequence[str]) -> None:
    for row in rows:
        for name in _types([row]):
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                more = f" and {len(known) - 10} more" if known[10:] else ""
                raise InputError(
                    f"{place(row.file, row.number, row.line)}: no training row has entities of the type "
                    f"{name!r}{hint}; correct it, or add training rows with such entities. The training rows "
                    f"have {', '.join(map(repr, known[:10]))}{more}"
                )


def _rare_types(train: Sequence[TaggedRow], known: Sequence[str], settings: DataSettings) -> dict[str, int]:
    """Return each type that too few training rows have (they are distinct by now), and how many do."""
    count = Counter(name for row in train for name in set(_types([row])))
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
