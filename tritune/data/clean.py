"""Which rows a training split is better without: each rule parts the rows in kept and found."""

from collections.abc import Collection

import numpy as np

from tritune.data.facts import Rows

Parted = tuple[Rows, Rows]
"""Rows kept, rows found; both in the order given."""


def blank(rows: Rows) -> Parted:
    """Find texts of white space only."""
    return _part(rows, rows.facts.blank[rows.positions])


def repeated(rows: Rows) -> Parted:
    """Find rows whose normalised text came before with the same label; the first one is kept."""
    marks = _texts(rows) * max(len(rows.facts.names), 1) + rows.labels
    _, first = np.unique(marks, return_index=True)
    found = np.ones(len(rows), np.bool_)
    found[first] = False
    return _part(rows, found)


def conflicting(rows: Rows) -> Parted:
    """Find rows whose normalised text stands under two or more labels: all of them, since none is surer."""
    texts, labels = _texts(rows), rows.labels
    _, first = np.unique(texts, return_index=True)
    several = np.zeros(len(first), np.bool_)
    several[texts[labels != labels[first][texts]]] = True
    return _part(rows, several[texts])


def among(rows: Rows, others: Rows | None) -> Parted:
    """Find rows whose normalised text is one of the others', whatever the label; None: there are none."""
    return _part(rows, np.isin(rows.keys, [] if others is None else others.keys))


def labelled(rows: Rows, labels: Collection[str]) -> Parted:
    """Find rows that have one of the labels."""
    asked = np.array([name in labels for name in rows.facts.names], np.bool_)
    return _part(rows, asked[rows.labels])


def _texts(rows: Rows) -> np.ndarray:
    """Return [rows] int64: equal numbers, from 0 without a gap, for equal texts."""
    return np.unique(rows.keys, return_inverse=True)[1].astype(np.int64)


def _part(rows: Rows, found: np.ndarray) -> Parted:
    return rows.only(~found), rows.only(found)
