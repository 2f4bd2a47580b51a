"""Labelled texts to try things on: a folder with a train and a test file, or the demo's corpus."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.topics import rows_of_all_languages
from tritune.data.files import split_files
from tritune.data.read import read_rows
from tritune.data.rows import RawFile, text_key
from tritune.errors import InputError
from tritune.settings.data import DataSettings

TEST_SHARE = 4
"""Of the corpus, which has no test file, one row in so many is a test row."""

Labelled = tuple[str, str]
"""Text and label."""


def rows_of_folder(folder: Path, *, text: str, label: str) -> tuple[list[Labelled], list[Labelled]]:
    """Return training and test rows of a folder, no text twice; those of a validation file are left out.

    Args:
        folder: With one file a split, as `data.source` in params.yaml.
        text: Column that holds the text.
        label: Column that holds the label.

    Raises:
        InputError: There is no such file, or it can't be read.
    """
    files = split_files(folder, source=str(folder))
    if "test" not in files:
        raise InputError(f"--data: {folder} has no test file; name a folder with a train and a test file")
    settings = DataSettings(source=str(folder), text=text, label=label)
    found = {}
    for split in ("train", "test"):
        file = files[split]
        rows = read_rows(file, RawFile(file.name, file.name), settings, blank_text=False)
        found[split] = [(row.text, row.label) for row in rows]
    return _distinct(found["train"], found["test"])


def rows_of_corpus() -> tuple[list[Labelled], list[Labelled]]:
    """Return training and test rows of the demo's corpus in many languages (topics.py), no text twice."""
    rows = [(row["text"], row["label"]) for row in rows_of_all_languages()]
    random.Random(TEST_SHARE).shuffle(rows)
    cut = len(rows) // TEST_SHARE
    return _distinct(rows[cut:], rows[:cut])


def frequent_classes(rows: Sequence[Labelled], *, at_least: int) -> list[str]:
    """Return the classes that have `at_least` rows or more, the most frequent first."""
    counts = Counter(label for _, label in rows).most_common()
    return [label for label, count in counts if count >= at_least]


def _distinct(train: Sequence[Labelled], test: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Return the first row of each text; a text of both is a test row."""
    tests = {text_key(row[0]): row for row in reversed(test)}
    trains = {text_key(row[0]): row for row in reversed(train) if text_key(row[0]) not in tests}
    return list(trains.values())[::-1], list(tests.values())[::-1]
