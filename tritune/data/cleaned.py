"""From rows as given to train, validation and test without duplicates and leaks; the rest is the task's."""

from collections.abc import Mapping
from dataclasses import dataclass

from tritune.data.clean import among, blank, conflicting, repeated
from tritune.data.facts import Rows
from tritune.data.files import SPLITS
from tritune.data.split import cut
from tritune.errors import InputError
from tritune.settings.data import DataSettings

Findings = dict[str, dict[str, Rows]]
"""Split -> reason -> rows."""


@dataclass(frozen=True)
class Cleaned:
    """Three splits."""

    splits: dict[str, Rows]
    """Rows of train, validation and test, in the order of the files."""

    cut: list[str]
    """Splits that were cut from the training rows."""

    dropped: Findings


def cleaned_splits(given: Mapping[str, Rows], *, settings: DataSettings) -> Cleaned:
    """Return the three splits; one that is not given is cut from train. Either may come out empty.

    From train are dropped, in this order: blank texts, texts that a given split holds (whatever their
    label), then, after the cut, repeated rows, texts under several labels.

    Args:
        given: Rows by split; "train" is there. Texts of given validation and test rows are not blank.
        settings: Fractions.
    """
    dropped: Findings = {split: {} for split in SPLITS}
    train, dropped["train"]["blank_text"] = blank(given["train"])
    for split in ("test", "validation"):
        train, dropped["train"][f"also_in_{split}"] = among(train, given.get(split))
    missing = [split for split in ("validation", "test") if split not in given]
    parts = cut(
        train,
        test_fraction=settings.test_fraction if "test" in missing else 0.0,
        validation_fraction=settings.validation_fraction if "validation" in missing else 0.0,
    )
    splits = {split: parts[split] if split in missing else given[split] for split in SPLITS[1:]}
    train, dropped["train"]["repeated"] = repeated(parts["train"])
    train, dropped["train"]["conflicting_label"] = conflicting(train)
    return Cleaned(splits={"train": train, **splits}, cut=missing, dropped=dropped)


def noticed(splits: Mapping[str, Rows]) -> Findings:
    """Return validation and test rows in doubt, which are kept: nothing is dropped there for its text."""
    found: Findings = {}
    for split in ("validation", "test"):
        found[split] = {
            "repeated": repeated(splits[split])[1],
            "conflicting_label": conflicting(splits[split])[1],
        }
    found["validation"]["also_in_test"] = among(splits["validation"], splits["test"])[1]
    return found


def refuse_empty_cut(data: Cleaned, rows: int, *, settings: DataSettings) -> None:
    """Raise if a split that was cut has no row.

    Args:
        rows: Training rows that were given.
    """
    for split in data.cut:
        if not data.splits[split]:
            raise InputError(
                f"data.{split}_fraction: {getattr(settings, split + '_fraction')} of {rows} "
                f"rows left the {split} split without a row; add rows, raise it, or give a file {split}.csv"
            )
