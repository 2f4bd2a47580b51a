"""From rows as given to three splits fit for training a classifier, and what had to be dropped for that."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tritune.data.clean import labelled
from tritune.data.cleaned import Findings, cleaned_splits, noticed, refuse_empty_cut
from tritune.data.facts import Rows
from tritune.data.files import SPLITS
from tritune.data.rows import LABEL_MARK, separate_labels
from tritune.errors import InputError
from tritune.settings.data import DataSettings


@dataclass(frozen=True)
class Classification:
    """Splits of a classification task."""

    splits: dict[str, Rows]
    """Rows of train, validation and test, in the order of the files."""

    labels: list[str]
    """Sorted; a label's index is its class id."""

    given: dict[str, int]
    """Rows of each split that the source has."""

    cut: list[str]
    """Splits that were cut from the training rows."""

    multi_label: bool
    """Whether a row may have any number of labels."""

    dropped: Findings = field(default_factory=dict)
    noticed: Findings = field(default_factory=dict)
    """Rows that are in doubt, but kept: nothing is dropped from validation and test for its text."""

    dropped_classes: dict[str, int] = field(default_factory=dict)
    """Label -> distinct training texts that it had."""


def classification_splits(given: Mapping[str, Rows], *, settings: DataSettings) -> Classification:
    """Return cleaned train, validation and test rows; a split that is not given is cut from train.

    What is dropped from train: see `cleaned_splits`. Rows of validation and test are dropped only when their
    whole class is (`rare_classes: drop`); a row that may have several labels only loses those that are rare.

    Args:
        given: Rows by split; "train" is there. Texts of given validation and test rows are not blank.
        settings: Fractions, and what to do with rare classes.

    Raises:
        InputError: One class only, a label that no training row has, a class with too few distinct
            training texts, or nothing left in a split.
    """
    known = sorted(rows_per_label(given["train"]))
    if not known:
        raise InputError(
            f"{given['train'].file.original}: no row has any label; is data.label in params.yaml the "
            "right column?"
        )
    if len(known) == 1:
        raise InputError(
            f"{given['train'].file.original}: every row has the label {known[0]!r}; a classifier needs "
            "two or more. Is data.label in params.yaml the right column?"
        )
    for split in ("validation", "test"):
        if split in given:
            _refuse_unknown(given[split], known)
    cleaned = cleaned_splits(given, settings=settings)
    splits, dropped = cleaned.splits, cleaned.dropped
    train = splits["train"]
    rare = _rare_classes(train, known, settings)
    for split in SPLITS:
        if settings.multi_label:
            splits[split], dropped[split]["rare_class"] = without(splits[split], rare)
        else:
            splits[split], dropped[split]["rare_class"] = labelled(splits[split], rare)
    labels = [label for label in known if label not in rare]
    if len(labels) < 2:
        raise InputError(
            f"data.min_rows_per_class: only {len(labels)} of {len(known)} classes have "
            f"{settings.min_rows_per_class} or more distinct training texts, and a classifier needs two; add "
            "rows or lower it"
        )
    refuse_empty_cut(cleaned, len(given["train"]), settings=settings)
    for split in SPLITS[1:]:
        if not splits[split]:
            raise InputError(
                f"{given[split].file.original}: all rows belong to classes with fewer than "
                f"{settings.min_rows_per_class} distinct training texts (data.min_rows_per_class), which "
                "data.rare_classes: drop leaves out; nothing is left"
            )
    return Classification(
        splits=splits,
        labels=labels,
        given={split: len(given[split]) for split in SPLITS if split in given},
        cut=cleaned.cut,
        multi_label=settings.multi_label,
        dropped=dropped,
        noticed=noticed(splits),
        dropped_classes=rare,
    )


def rows_per_label(rows: Rows) -> Counter[str]:
    """Return how many rows have each label; a row with several counts for each of them."""
    found: Counter[str] = Counter()
    for name, count in zip(rows.facts.names, _rows_per_name(rows), strict=True):
        if count:
            found.update(dict.fromkeys(separate_labels(name), int(count)))
    return found


def rows_without_label(rows: Rows) -> int:
    """Return how many rows have no label at all."""
    counts = zip(rows.facts.names, _rows_per_name(rows), strict=True)
    return sum(int(count) for name, count in counts if not separate_labels(name))


def _rows_per_name(rows: Rows) -> np.ndarray:
    return np.bincount(rows.labels, minlength=len(rows.facts.names))


def without(rows: Rows, labels: Collection[str]) -> tuple[Rows, Rows]:
    """Take some labels off rows that may have several. Return all rows, and those that lost one."""
    numbers: dict[str, int] = {}
    becomes, loses = [], []
    for name in rows.facts.names:
        left = LABEL_MARK.join(label for label in separate_labels(name) if label not in labels)
        becomes.append(numbers.setdefault(left, len(numbers)))
        loses.append(left != name)
    renamed = np.array(becomes, np.int32)[rows.facts.labels]
    facts = replace(rows.facts, names=tuple(numbers), labels=renamed)
    return Rows(facts, rows.positions), rows.only(np.array(loses, np.bool_)[rows.labels])


def _refuse_unknown(rows: Rows, known: Sequence[str]) -> None:
    labels = set(known)
    unknown = [[one for one in separate_labels(name) if one not in labels] for name in rows.facts.names]
    found = np.flatnonzero(np.array([bool(some) for some in unknown], np.bool_)[rows.labels])
    if not len(found):
        return
    first = int(found[0])
    label = unknown[rows.labels[first]][0]
    close = difflib.get_close_matches(label, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    there = ", ".join(map(repr, known[:10])) + (f" and {len(known) - 10} more" if known[10:] else "")
    raise InputError(
        f"{rows.place(first)}: no training row has the label {label!r}{hint}; correct it, or add training "
        f"rows of that class. The training rows have {there}"
    )


def _rare_classes(train: Rows, known: Sequence[str], settings: DataSettings) -> dict[str, int]:
    """Return each class with too few training rows (which are distinct by now), and how many it has."""
    count = rows_per_label(train)
    rare = {label: count[label] for label in known if count[label] < settings.min_rows_per_class}
    if rare and settings.rare_classes == "error":
        few = sorted(rare, key=lambda label: (rare[label], label))
        listed = ", ".join(f"{label!r} ({rare[label]})" for label in few[:5])
        more = f" and {len(few) - 5:,} more" if len(few) > 5 else ""
        raise InputError(
            f"data.min_rows_per_class: {len(few):,} of {len(known):,} classes have fewer than "
            f"{settings.min_rows_per_class} distinct training texts: {listed}{more}. Add rows, lower it, or "
            "set data.rare_classes: drop to leave these classes out"
        )
    return rare
