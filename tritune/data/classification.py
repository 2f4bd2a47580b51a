"""From rows as given to three splits fit for training a classifier, and what had to be dropped for that."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tritune.data.clean import labelled
from tritune.data.cleaned import Findings, cleaned_splits, noticed, refuse_empty_cut
from tritune.data.files import SPLITS
from tritune.data.rows import LABEL_MARK, Row, place
from tritune.errors import InputError
from tritune.settings.data import DataSettings


@dataclass(frozen=True)
class Classification:
    """Splits of a classification task."""

    splits: dict[str, list[Row]]
    """Rows of train, validation and test, in the order of the files."""

    labels: list[str]
    """Sorted; a label's index is its class id."""

    given: dict[str, int]
    """Rows of each split that the source has."""

    cut: list[str]
    """Splits that were cut from the training rows."""

    multi_label: bool
    """Whether a row may have any number of labels."""

    dropped: Findings[Row] = field(default_factory=dict)
    noticed: Findings[Row] = field(default_factory=dict)
    """Rows that are in doubt, but kept: nothing is dropped from validation and test for its text."""

    dropped_classes: dict[str, int] = field(default_factory=dict)
    """Label -> distinct training texts that it had."""


def classification_splits(given: Mapping[str, Sequence[Row]], *, settings: DataSettings) -> Classification:
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
    known = sorted({label for row in given["train"] for label in row.labels})
    if not known:
        raise InputError(
            f"{given['train'][0].file.original}: no row has any label; is data.label in params.yaml the "
            "right column?"
        )
    if len(known) == 1:
        raise InputError(
            f"{given['train'][0].file.original}: every row has the label {known[0]!r}; a classifier needs "
            "two or more. Is data.label in params.yaml the right column?"
        )
    for split in ("validation", "test"):
        _refuse_unknown(given.get(split, ()), known)
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
                f"{given[split][0].file.original}: all rows belong to classes with fewer than "
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


def without(rows: Sequence[Row], labels: Mapping[str, int]) -> tuple[list[Row], list[Row]]:
    """Take some labels off rows that may have several. Return all rows, and those that lost one."""
    kept, found = [], []
    for row in rows:
        left = [label for label in row.labels if label not in labels]
        kept.append(row._replace(label=LABEL_MARK.join(left)) if len(left) < len(row.labels) else row)
        if len(left) < len(row.labels):
            found.append(row)
    return kept, found


def _refuse_unknown(rows: Sequence[Row], known: Sequence[str]) -> None:
    labels = set(known)
    for row, label in ((one, label) for one in rows for label in one.labels):
        if label not in labels:
            close = difflib.get_close_matches(label, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            there = ", ".join(map(repr, known[:10])) + (f" and {len(known) - 10} more" if known[10:] else "")
            raise InputError(
                f"{place(row.file, row.number, row.line)}: no training row has the label "
                f"{label!r}{hint}; correct it, or add training rows of that class. The training rows "
                f"have {there}"
            )


def _rare_classes(train: Sequence[Row], known: Sequence[str], settings: DataSettings) -> dict[str, int]:
    """Return each class with too few training rows (which are distinct by now), and how many it has."""
    count = Counter(label for row in train for label in row.labels)
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
