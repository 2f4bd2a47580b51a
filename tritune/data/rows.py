"""One labelled text with the place that it came from."""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class RawFile:
    """A file in `data/raw`."""

    raw: str
    """Its name there, `train.csv`."""

    original: str
    """The name of the user's file that it is a copy of, for messages: `tickets.csv`."""


LABEL_MARK = "\x1f"
"""ASCII's unit separator: between the labels of a text that has several."""


class Labelled(Protocol):
    """What cleaning and splitting ask of a row, whatever the task."""

    @property
    def text(self) -> str:
        """What is to be labelled."""

    @property
    def label(self) -> str:
        """Its label, or all of its labels as one text."""

    @property
    def key(self) -> bytes:
        """`text_key` of the text."""

    @property
    def line(self) -> int | None:
        """Line of the file where it begins, from 1; None where a file has no lines."""


class Row(NamedTuple):
    """A labelled text of a raw file. A tuple, because millions are made, one after the other."""

    file: RawFile
    number: int
    """Data row in the file, from 1; the header does not count."""

    line: int | None
    """Line of the file where the row begins, from 1; None where a file has no lines."""

    text: str
    label: str
    """The label; where a text may have several, all of them, sorted, with `LABEL_MARK` between them."""

    key: bytes
    """`text_key` of the text, or of both texts of a pair."""

    pair: str | None = None
    """The second text, where pairs are labelled."""

    trimmed: int = 0
    """Labels that had white space cut off."""


def separate_labels(label: str) -> tuple[str, ...]:
    """Return all labels of `Row.label`; none, where a text may have none."""
    return tuple(filter(None, label.split(LABEL_MARK)))


def normalised_text(text: str) -> str:
    """Return what makes two texts the same: Unicode NFC, case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def text_key(text: str) -> bytes:
    """Return the SHA-256 of the normalised text, 32 bytes."""
    return hashlib.sha256(normalised_text(text).encode()).digest()


def place(file: RawFile, number: int, line: int | None, column: str | None = None) -> str:
    """Return where a row stands, in words: `tickets.csv, row 17 (line 21), column 'label'`."""
    where = f"{file.original}, row {number}"
    if line is not None:
        where += f" (line {line})"
    return where if column is None else f"{where}, column {column!r}"
