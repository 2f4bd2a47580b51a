"""The words of a prompt that came from the user, found again among the tokens that the model read."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tritune.explanation.read_words import ReadWord, read_words

PROMPT = "prompt"
"""What the words' part is called where a text can't be told from what stands around it."""


class Part(NamedTuple):
    """A text that the user gave."""

    name: str
    text: str
    offset: int = 0
    """The character of what the user gave at which `text` begins, where the prompt holds no more of it."""


def prompt_words(
    tokenizer: Any, ids: Sequence[int], parts: Iterable[Part]
) -> tuple[list[ReadWord], list[str]]:
    """Return the words of these parts in the prompt's order, and the names of the parts that it lacks.

    The prompt is read as the tokenizer writes it. Where that changes every text (to lower case, say), so that
    no part is found, all words of the prompt are returned, those around the user's too, as of `PROMPT`.

    Args:
        tokenizer: Of transformers.
        ids: The prompt.
        parts: The one that is surely last in the prompt first: each is looked for from the end.
    """
    ends = _ends(tokenizer, ids)
    prompt = _decoded(tokenizer, ids)
    tokens = [
        (place, start, end)
        for place, (start, end) in enumerate(_spans(ends))
        if ids[place] not in tokenizer.all_special_ids or ids[place] == tokenizer.unk_token_id
    ]
    words: list[ReadWord] = []
    missing: list[str] = []
    taken: list[tuple[int, int]] = []
    for part in parts:
        begin = _last_free(prompt, part.text, taken)
        if begin is None:
            missing.append(part.name)
            continue
        end = begin + len(part.text)
        taken.append((begin, end))
        inside = [(p, max(0, s - begin), min(end, e) - begin) for p, s, e in tokens if s < end and e > begin]
        words += [
            ReadWord(part.name, word.text, word.start + part.offset, word.end + part.offset, word.tokens)
            for word in read_words(part.name, part.text, inside)
        ]
    if not taken:
        return read_words(PROMPT, prompt, tokens), missing
    return sorted(_apart(words), key=lambda word: word.tokens), missing


def _apart(words: Iterable[ReadWord]) -> list[ReadWord]:
    """Return words without those that share a token with one before: at a border of two parts."""
    seen: set[int] = set()
    kept = []
    for word in words:
        if seen.isdisjoint(word.tokens):
            seen.update(word.tokens)
            kept.append(word)
    return kept


def _last_free(prompt: str, text: str, taken: Sequence[tuple[int, int]]) -> int | None:
    """Return where a text stands last, outside what is taken."""
    begin = prompt.rfind(text) if text else -1
    while begin >= 0:
        end = begin + len(text)
        if all(end <= start or begin >= after for start, after in taken):
            return begin
        begin = prompt.rfind(text, 0, end - 1)
    return None


def _spans(ends: Sequence[int]) -> list[tuple[int, int]]:
    """Return the characters of each token; all tokens of one character have it."""
    starts = [0, *ends[:-1]]
    return [
        (start, next((later for later in ends[place:] if later > start), start))
        for place, start in enumerate(starts)
    ]


def _ends(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Return one past the last character of each token; a character of several tokens ends with its last."""
    ends: list[int] = []
    for count in range(1, len(ids) + 1):
        text = _decoded(tokenizer, ids[:count])
        ends.append(max(len(text.rstrip("\ufffd")), ends[-1] if ends else 0))
    return ends


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
