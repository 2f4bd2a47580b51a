"""A text as words, each with its place: what the words of a tagged corpus look like, whatever the tokenizer.

Training data come as words; a new text does not. The rule is that of most corpora of entities (CoNLL 2003,
OntoNotes, WNUT 2017, MSRA): parted at white space; punctuation is a word of its own, but stays inside
numbers (3.5, 1,000), names (AT&T, O'Neill, Jean-Luc, v1.2), initials and abbreviations with inner stops
(U.S.), links, mail addresses, @names and #tags; an English 's and its like is a word of its own (London 's);
a Chinese or Japanese character is a word of its own; marks that combine stay with their letter, and an emoji
is one word however many code points it has. No word is changed, so that places lead back to the text.
"""

from typing import NamedTuple

import regex

ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
LETTER = rf"(?:(?!{ALONE})[\p{{L}}\p{{N}}_]\p{{M}}*[\u200c\u200d]?\p{{M}}*)"
CLITIC = r"['’](?:s|re|ve|ll|d|m)(?![\p{L}\p{N}\p{M}])"
WORD = regex.compile(
    rf"""
    (?:https?://|www\.)[^\s<>"]*[^\s<>"'’”»)\]}}.,;:!?…]        # a link, without the sentence's own signs
    | {LETTER}(?:[.+-]?{LETTER})*@{LETTER}(?:[.-]?{LETTER})*    # a mail address
    | [@\#]{LETTER}+                                            # @name, #tag
    | (?<=[\p{{L}}\p{{N}}\p{{M}}]){CLITIC}
    | (?:\p{{L}}\.){{2,}}                                       # U.S.
    | {LETTER}+(?:(?!{CLITIC})(?:[-.&/'’·]|(?<=\p{{N}})[,:](?=\p{{N}})){LETTER}+)*
    | {ALONE}\p{{M}}*
    | (?P<sign>\p{{P}})(?P=sign)+                                # ... !!
    | (?!\s)\X                                                 # an emoji, a sign
    """,
    regex.VERBOSE | regex.IGNORECASE | regex.VERSION1,
)


class Word(NamedTuple):
    """A word of a text."""

    text: str
    start: int
    """Its first character, from 0."""

    end: int
    """One past its last character."""


def words_of(text: str) -> list[Word]:
    """Return the words of a text, in their order; white space belongs to none."""
    return [Word(match.group(), match.start(), match.end()) for match in WORD.finditer(text)]
