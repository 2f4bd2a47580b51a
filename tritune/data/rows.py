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


class Row(NamedTuple):
    """A labelled text of a raw file. A tuple, because there may be millions."""

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

    @property
    def labels(self) -> tuple[str, ...]:
        """All of its labels; none, where a text may have none."""
        return tuple(filter(None, self.label.split(LABEL_MARK)))

    @property
    def id(self) -> str:
        """Unique over all splits, and the same whatever happens to other rows: `train.csv:17`."""
        return f"{self.file.raw}:{self.number}"


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
