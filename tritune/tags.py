"""Tags of words, and the entities that they spell.

A tag is `O`, or where a word stands in an entity (`B` begin, `I` inside, `E` end, `S` single), a hyphen and
the entity's type: `B-creative-work`. Read as seqeval does in its default mode (`get_entities` of
https://github.com/chakki-works/seqeval), which follows conlleval: IOB1, IOB2 and BIOES (IOBES) come out right
without being told apart, and a malformed transition begins a new entity rather than being an error.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

OUTSIDE = "O"
TAG = re.compile(r"O|[BIES](-.+)?", re.DOTALL)
UNNAMED = "_"
"""Type of an entity whose tags name none: plain `B`, `I`."""

Scheme = Literal["IOB1", "IOB2", "BIOES"]
PLACES: dict[Scheme, str] = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES"}


class Entity(NamedTuple):
    """Some neighbouring words."""

    type: str
    start: int
    """The first word, from 0."""

    end: int
    """One past the last word."""


def is_tag(text: str) -> bool:
    """Tell whether a text has the form of a tag."""
    return TAG.fullmatch(text) is not None


def tag_type(tag: str) -> str | None:
    """Return the type of a tag; None for `O`."""
    return None if tag == OUTSIDE else tag[2:] or UNNAMED


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of one sentence, in their order; they do not overlap.

    An entity ends before `O`, `B`, `S`, another type, and after `E`, `S`; one begins at each of `B`, `S`, and
    at any `I` or `E` that continues nothing.
    """
    found: list[Entity] = []
    start, before = 0, OUTSIDE
    for index, tag in enumerate([*tags, OUTSIDE]):
        if before != OUTSIDE and not _continues(before, tag):
            found.append(Entity(tag_type(before) or UNNAMED, start, index))
        if tag != OUTSIDE and not _continues(before, tag):
            start = index
        before = tag
    return found


def _continues(before: str, tag: str) -> bool:
    """Tell whether two neighbouring tags are of one entity."""
    return before[0] in "BI" and tag[0] in "IE" and tag_type(before) == tag_type(tag)


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme that the tags follow.

    BIOES if there is an `E` or `S`. IOB1 if an entity begins with `I` and every `B` only parts an entity from
    one of its type right before it. Else IOB2, of which some transitions may be malformed.
    """
    begins_inside = False
    begins_apart = False
    for tags in sentences:
        for before, tag in pairwise([OUTSIDE, *tags]):
            if tag[0] in "ES":
                return "BIOES"
            apart = tag_type(before) != tag_type(tag)
            begins_inside |= tag[0] == "I" and apart
            begins_apart |= tag[0] == "B" and apart
    return "IOB1" if begins_inside and not begins_apart else "IOB2"


def all_tags(types: Iterable[str], scheme: Scheme) -> list[str]:
    """Return the tags of the scheme for these types: `O`, then the others sorted."""
    names = ["" if name == UNNAMED else f"-{name}" for name in types]
    return [OUTSIDE, *sorted(place + name for place in PLACES[scheme] for name in names)]


def malformed(tags: Sequence[str], scheme: Scheme) -> int:
    """Return how many places of a sentence break the scheme's rules: `O I-x` in IOB2, `B-x O` in BIOES.

    IOB1 allows any order of its tags.
    """
    if scheme == "IOB1":
        return 0
    pairs = list(pairwise([OUTSIDE, *tags, OUTSIDE]))
    opened = "BI" if scheme == "BIOES" else ""
    return sum(_breaks(before, tag, opened) for before, tag in pairs)


def _breaks(before: str, tag: str, opened: str) -> bool:
    if tag[0] in "IE":
        return not _continues(before, tag)
    return before[0] in opened


def words_of(parts: Iterable[Entity]) -> Iterator[int]:
    """Yield the words of some entities."""
    for part in parts:
        yield from range(part.start, part.end)
