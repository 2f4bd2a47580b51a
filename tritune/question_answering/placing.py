"""Where in its context an answer stands, when the offset that came with it may have drifted.

Readers of SQuAD look for the answer's words when its offset is off, because contexts lose or gain white space
on their way from one file to another; see `squad_convert_example_to_features` in transformers before version
5.
Where we differ from it: the occurrence nearest to the stated offset is taken, and an answer that is nowhere
is reported, not skipped.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple


class Place(NamedTuple):
    """Where an answer stands."""

    start: int
    """First character, from 0; -1 if it is nowhere."""

    end: int
    """One past the last character; -1 if it is nowhere."""

    how: Literal["as_given", "moved", "not_found"]
    """`moved`: found, but elsewhere than stated, or with other white space inside or around."""


NOWHERE = Place(-1, -1, "not_found")


def place_of(answer: str, context: str, start: int | None) -> Place:
    """Return where the answer stands, without white space around it.

    Args:
        answer: Its text; not blank.
        context: What it should be a part of.
        start: Where its first character should be, from 0. None or below 0: not known.
    """
    words = answer.strip()
    stated = start if start is not None and start >= 0 else None
    if stated is not None and context.startswith(answer, stated):
        begins = stated + len(answer) - len(answer.lstrip())
        return Place(begins, begins + len(words), "as_given")
    wanted = stated or 0
    found = min(_occurrences(words, context), key=lambda span: (abs(span[0] - wanted), span), default=None)
    return NOWHERE if found is None else Place(*found, "moved")


def _occurrences(words: str, context: str) -> Iterator[tuple[int, int]]:
    """Yield every exact occurrence; where there is none, those with other white space between the words."""
    pattern = re.escape(words)
    if words not in context:
        pattern = r"\s+".join(map(re.escape, words.split()))
    for match in re.finditer(f"(?=({pattern}))", context):
        yield match.span(1)
