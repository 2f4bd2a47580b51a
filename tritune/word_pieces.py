"""Words to token ids by any fast tokenizer, each word known by its tokens.

Words come parted, so every tokenizer gets them as `is_split_into_words` gives them. Byte-level BPE, and
SentencePiece models that put no mark before a text, need more: to them `Ada` and ` Ada` are different words,
and in running text nearly every word is the second. transformers asks for `add_prefix_space=True` there,
which not every tokenizer heeds. Here a word gets a space before it wherever the tokenizer itself shows that
it matters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PROBES = ("a", "1", "的", "ا")


@dataclass(frozen=True)
class Pieces:
    """The tokens of one row's words."""

    words: list[list[int]]
    """Token ids of each word; none where the tokenizer drops it (a lone variation selector, say)."""

    before: list[int]
    """Special tokens that belong before the first word of a text: `[CLS]`."""

    after: list[int]
    """And after the last: `[SEP]`."""


class WordPieces:
    """A tokenizer that is given words."""

    def __init__(self, tokenizer: Any) -> None:
        """Look at what the tokenizer does with a space.

        Args:
            tokenizer: A fast one of transformers; it is left as it is.
        """
        from tokenizers import Tokenizer

        # A copy: transformers sets truncation and padding on the tokenizer itself.
        self._tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.space_before = any(map(self._space_matters, PROBES))
        special = self._tokenizer.encode("")
        self.special_tokens = len(special.ids)

    def encode(self, rows: Sequence[Sequence[str]]) -> list[Pieces]:
        """Return the tokens of the words of each row."""
        space = " " if self.space_before else ""
        parted = [[space + word for word in row] for row in rows]
        found = []
        for row, encoding in zip(
            rows, self._tokenizer.encode_batch(parted, is_pretokenized=True), strict=True
        ):
            words: list[list[int]] = [[] for _ in row]
            before: list[int] = []
            after: list[int] = []
            for token, word in zip(encoding.ids, encoding.word_ids, strict=True):
                if word is not None:
                    words[word].append(token)
                else:
                    (after if any(words) else before).append(token)
            if not any(words):
                before, after = self._around(before)
            found.append(Pieces(words, before, after))
        return found

    def _around(self, special: list[int]) -> tuple[list[int], list[int]]:
        """Part the special tokens of a row without any other token."""
        probe = self.encode([[PROBES[0]]])[0]
        count = len(probe.before)
        return special[:count], special[count:]

    def _space_matters(self, probe: str) -> bool:
        """Tell whether a word in running text is as with a space before it, and not as on its own."""
        running: list[int] = self._tokenizer.encode(f"{probe} {probe}", add_special_tokens=False).ids
        alone, spaced = self._pair(probe), self._pair(f" {probe}")
        second = spaced[1]
        return running != alone[0] + alone[1] and second != alone[1] and running[-len(second) :] == second

    def _pair(self, word: str) -> list[list[int]]:
        """Return the tokens of each of two equal words."""
        encoding = self._tokenizer.encode([word, word], is_pretokenized=True, add_special_tokens=False)
        found: list[list[int]] = [[], []]
        for token, index in zip(encoding.ids, encoding.word_ids, strict=True):
            if index is not None:
                found[index].append(token)
        return found
