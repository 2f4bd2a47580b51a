"""Streams of labelled rows of which it is known whether they drift: the same source, or shifted so much."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.labelled_rows import Labelled

CHAMPION_ROWS = 600

FAVOURED = 3
"""Classes that the rows of a label shift come from."""

Stream = tuple[list[Labelled], list[Labelled]]
"""The champion's rows and all rows of tonight."""

Draw = Callable[[np.random.Generator, int], Stream]
"""Draws a stream with so many new rows."""


def same_source(pool: Sequence[Labelled]) -> Draw:
    """Champion and new rows are parts of one random order."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        rows = _some(pool, CHAMPION_ROWS + new_rows, chance)
        return rows[:CHAMPION_ROWS], rows

    return draw


def bootstrap(pool: Sequence[Labelled]) -> Draw:
    """Rows are drawn with replacement: some texts come again."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        rows = [pool[index] for index in chance.integers(len(pool), size=CHAMPION_ROWS + new_rows)]
        return rows[:CHAMPION_ROWS], rows

    return draw


def taken_away(pool: Sequence[Labelled]) -> Draw:
    """So many rows of the champion's are gone, whichever."""

    def draw(chance: np.random.Generator, gone: int) -> Stream:
        rows = _some(pool, CHAMPION_ROWS, chance)
        return rows, rows[gone:]

    return draw


def label_shift(pool: Sequence[Labelled], strength: float) -> Draw:
    """A share of the new rows comes from a few classes, the rest from all."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        favoured = set(chance.permutation(sorted({label for _, label in pool}))[:FAVOURED])
        rows = _some(pool, len(pool), chance)
        champion, rest = rows[:CHAMPION_ROWS], rows[CHAMPION_ROWS:]
        wanted = sum(chance.random(new_rows) < strength)
        shifted = [row for row in rest if row[1] in favoured][:wanted]
        taken = set(shifted)
        usual = [row for row in rest if row not in taken][: new_rows - len(shifted)]
        return champion, [*champion, *shifted, *usual]

    return draw


def topic_shift(pool: Sequence[Labelled], strength: float) -> Draw:
    """Two topics share each label. The champion knows one of them; a share of the new rows is of the other.

    Classes are joined in pairs, at random, and the new rows of a label are as many as without the shift, so
    that what a label means changes, and how often it comes does not.
    """

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        names = chance.permutation(sorted({label for _, label in pool}))
        known = dict(zip(names[0::2], names[1::2], strict=False))  # of an odd number, one is left out
        rows = _some(pool, len(pool), chance)
        ours = [row for row in rows if row[1] in known]
        others: dict[str, list[str]] = {}
        for text, label in rows:
            others.setdefault(label, []).append(text)
        new = []
        for text, label in ours[CHAMPION_ROWS : CHAMPION_ROWS + new_rows]:
            left = others[known[label]]
            moved = chance.random() < strength and left
            new.append((left.pop() if moved else text, label))
        return ours[:CHAMPION_ROWS], [*ours[:CHAMPION_ROWS], *new]

    return draw


def new_class(pool: Sequence[Labelled]) -> Draw:
    """One of the new rows is of a class that the champion has not seen."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        champion, tonight = same_source(pool)(chance, new_rows)
        return champion, [*tonight[:-1], (tonight[-1][0], "a new class")]

    return draw


def new_classes(pool: Sequence[Labelled]) -> Draw:
    """Every tenth of the new rows is of a class that the champion has not seen."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        champion, tonight = same_source(pool)(chance, new_rows)
        new = tonight[CHAMPION_ROWS:]
        return champion, [
            *champion,
            *((text, label if number % 10 else "a new class") for number, (text, label) in enumerate(new)),
        ]

    return draw


def renamed_class(pool: Sequence[Labelled]) -> Draw:
    """From tonight on a class has another name, in old rows as in new ones."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        champion, tonight = same_source(pool)(chance, new_rows)
        old = champion[0][1]
        return champion, [(text, "another name" if label == old else label) for text, label in tonight]

    return draw


def lost_class(pool: Sequence[Labelled]) -> Draw:
    """All rows of a class are gone."""

    def draw(chance: np.random.Generator, new_rows: int) -> Stream:
        champion, tonight = same_source(pool)(chance, new_rows)
        return champion, [row for row in tonight if row[1] != champion[0][1]]

    return draw


def _some(pool: Sequence[Labelled], count: int, chance: np.random.Generator) -> list[Labelled]:
    return [pool[index] for index in chance.permutation(len(pool))[:count]]
