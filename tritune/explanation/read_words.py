"""The words of a text that a model read, each with its tokens: attributions are of words, not of word pieces.

Words are parted by `tritune.words`. Words that share a token (a tokenizer may join what we part) are one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tritune.words import words_of


@dataclass(frozen=True)
class ReadWord:
    """A word as the model read it."""

    part: str
    """Which of the model's inputs it stands in: `text`, `question`."""

    text: str
    start: int
    """Its first character in that input, from 0."""

    end: int
    """One past its last character."""

    tokens: tuple[int, ...]
    """Places of its tokens in the model's row, 1 or more. No token belongs to two words."""


def read_words(part: str, text: str, tokens: Iterable[tuple[int, int, int]]) -> list[ReadWord]:
    """Return the words that tokens stand for, in their order; a word without a token was not read.

    Args:
        part: Name of the input.
        text: All of it, also what was not read.
        tokens: (place in the row, first character, one past the last) of each token of the text, in the
            text's order. Those that hold no character of a word belong to none.
    """
    words = words_of(text)
    first = 0
    found: list[ReadWord] = []
    for place, start, end in tokens:
        while first < len(words) and words[first].end <= start:
            first += 1
        last = first
        while last < len(words) and words[last].start < end:
            last += 1
        if start >= end or last == first:
            continue
        begin, after = words[first].start, words[last - 1].end
        places: tuple[int, ...] = (place,)
        if found and begin < found[-1].end:
            before = found.pop()
            begin, after, places = before.start, max(before.end, after), (*before.tokens, place)
        found.append(ReadWord(part, text[begin:after], begin, after, places))
    return found
