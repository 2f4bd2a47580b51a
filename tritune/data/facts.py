"""What has to be known of all rows at once to clean and split them: columns of numbers, and no text.

About 41 bytes a row of a file, however long its text is, and 8 more for each selection of rows.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tritune.data.rows import Labelled, RawFile, place

KEY_BYTES = 16
"""Of a text's hash. Among a million million texts, two different ones share them once in 10**14 times."""


@dataclass(frozen=True)
class FileFacts:
    """Every row of a raw file, in its order."""

    file: RawFile
    names: tuple[str, ...]
    """Every label that a row has, each once; see `Labelled.label`."""

    labels: np.ndarray
    """[rows] int32: the number in `names` of each row's label."""

    keys: np.ndarray
    """[rows] S16: the first bytes of `text_key`."""

    lines: np.ndarray
    """[rows] int64: line of the file where the row begins, from 1; 0 where a file has no lines."""

    characters: np.ndarray
    """[rows] int32: of the text."""

    blank: np.ndarray
    """[rows] bool: whether the text is of white space only."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, in its order."""

    facts: FileFacts
    positions: np.ndarray
    """[rows] int64: which of the file's rows, from 0, rising."""

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def file(self) -> RawFile:
        return self.facts.file

    @property
    def keys(self) -> np.ndarray:
        """[rows] S16."""
        keys: np.ndarray = self.facts.keys[self.positions]
        return keys

    @property
    def labels(self) -> np.ndarray:
        """[rows] int32: numbers in `facts.names`."""
        labels: np.ndarray = self.facts.labels[self.positions]
        return labels

    def only(self, wanted: np.ndarray) -> "Rows":
        """Return the rows for which `wanted`, [rows] bool, is true."""
        return Rows(self.facts, self.positions[wanted])

    def first_ids(self, count: int) -> list[str]:
        """Return the ids of the first rows, `train.csv:17`; fewer where there are fewer."""
        return [row_id(self.file, int(position)) for position in self.positions[:count]]

    def place(self, index: int) -> str:
        """Return where one of these rows stands, in words."""
        position = int(self.positions[index])
        return place(self.file, position + 1, int(self.facts.lines[position]) or None)


def row_id(file: RawFile, position: int) -> str:
    """Return a row's id: unique over all splits, and the same whatever happens to other rows.

    Args:
        position: In the file, from 0.
    """
    return f"{file.raw}:{position + 1}"


def facts_of(rows: Iterable[Labelled], file: RawFile) -> Rows:
    """Return all rows of a file as columns; each row may go as soon as it was seen.

    Args:
        rows: In the order of the file, and all that it has.
    """
    numbers: dict[str, int] = {}
    labels, lines, characters = array("i"), array("q"), array("i")
    keys, blank = bytearray(), bytearray()
    for row in rows:
        text = row.text
        labels.append(numbers.setdefault(row.label, len(numbers)))
        lines.append(row.line or 0)
        characters.append(len(text))
        keys += row.key[:KEY_BYTES]
        blank.append(not text.strip())
    facts = FileFacts(
        file=file,
        names=tuple(numbers),
        labels=np.frombuffer(labels, np.int32),
        keys=np.frombuffer(keys, f"S{KEY_BYTES}"),
        lines=np.frombuffer(lines, np.int64),
        characters=np.frombuffer(characters, np.int32),
        blank=np.frombuffer(blank, np.bool_),
    )
    return Rows(facts, np.arange(len(labels)))
