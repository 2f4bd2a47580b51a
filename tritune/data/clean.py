"""Which rows a training split is better without: each rule parts the rows in kept and found."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from tritune.data.rows import Labelled

Row = TypeVar("Row", bound=Labelled)
Parted = tuple[list[Row], list[Row]]
"""Rows kept, rows found; both in the order given."""


def blank(rows: Iterable[Row]) -> Parted[Row]:
    """Find texts of white space only."""
    return _part((row, not row.text.strip()) for row in rows)


def repeated(rows: Iterable[Row]) -> Parted[Row]:
    """Find rows whose normalised text came before with the same label; the first one is kept."""
    seen: set[tuple[bytes, str]] = set()
    kept: list[Row] = []
    found: list[Row] = []
    for row in rows:
        mark = (row.key, row.label)
        (found if mark in seen else kept).append(row)
        seen.add(mark)
    return kept, found


def conflicting(rows: Collection[Row]) -> Parted[Row]:
    """Find rows whose normalised text stands under two or more labels: all of them, since none is surer."""
    first: dict[bytes, str] = {}
    several = {row.key for row in rows if first.setdefault(row.key, row.label) != row.label}
    return _part((row, row.key in several) for row in rows)


def among(rows: Iterable[Row], others: Iterable[Labelled]) -> Parted[Row]:
    """Find rows whose normalised text is one of the others', whatever the label."""
    keys = {row.key for row in others}
    return _part((row, row.key in keys) for row in rows)


def labelled(rows: Iterable[Row], labels: Collection[str]) -> Parted[Row]:
    """Find rows that have one of the labels."""
    return _part((row, row.label in labels) for row in rows)


def _part(judged: Iterable[tuple[Row, bool]]) -> Parted[Row]:
    kept: list[Row] = []
    found: list[Row] = []
    for row, is_found in judged:
        (found if is_found else kept).append(row)
    return kept, found
