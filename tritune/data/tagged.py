"""A raw file as sentences whose words have tags: every problem with file, row, line and column."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tritune.data.conll import read_sentences
from tritune.data.files import CONLL_ENDINGS
from tritune.data.records import Record, first_record, read_records
from tritune.data.rows import LABEL_MARK, RawFile, place, text_key
from tritune.errors import InputError
from tritune.settings.data import DataSettings
from tritune.tags import is_tag


class TaggedRow(NamedTuple):
    """A sentence, or a longer text, of a raw file."""

    file: RawFile
    number: int
    """Data row, or sentence, in the file, from 1."""

    line: int | None
    """Line of the file where it begins, from 1; None where a file has no lines."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    """One for each word."""

    key: bytes
    """`text_key` of the text."""

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(self.words)

    @property
    def label(self) -> str:
        """All tags as one text."""
        return LABEL_MARK.join(self.tags)


def separate_tags(label: str) -> list[str]:
    """Return the tags of `TaggedRow.label`."""
    return label.split(LABEL_MARK) if label else []


def read_tagged(
    path: Path, file: RawFile, *, settings: DataSettings, blank_text: bool
) -> Iterator[TaggedRow]:
    """Yield the rows of a file, in its order.

    Args:
        path: The file; its ending says the format. In csv and tsv lists stand as JSON.
        file: Its names, for ids and messages.
        settings: Which columns hold words and tags; a file with a word a line needs none.
        blank_text: Whether a row may have no words, or only words of white space.

    Raises:
        InputError: As the readers of the formats do, and for lists that are missing, mistyped, or of unequal
            length, for empty words, and for tags that have not the form of `tritune.tags`;
            raised on reaching it.
    """
    wanted = [(settings.tokens, "data.tokens"), (settings.tags, "data.tags")]
    records: Iterator[Record]
    columns: list[str | None] = [None, None]
    if path.suffix in CONLL_ENDINGS:
        records = read_sentences(path, file)
    else:
        records, columns = read_records(path, file, wanted), [settings.tokens, settings.tags]
    names: dict[str, str] = {}
    for number, line, values in records:
        where = [place(file, number, line, column) for column in columns]
        words, tags = (
            _list(value, what, at) for value, what, at in zip(values, ("words", "tags"), where, strict=True)
        )
        if any(isinstance(tag, int) for tag in tags):
            raise InputError(f"{where[1]}: {_numbers(path, settings)}")
        _check_words(words, where[0])
        if len(words) != len(tags):
            raise InputError(
                f"{place(file, number, line)}: {len(words)} words but {len(tags)} tags; each word needs one"
            )
        for tag in tags:
            if tag not in names:
                _check_tag(tag, where[1])
                names[tag] = tag
        row = TaggedRow(file, number, line, tuple(words), tuple(names[tag] for tag in tags), b"")
        if not blank_text and not row.text.strip():
            raise InputError(
                f"{where[0]}: there are no words, and rows for validation and test are never dropped; fill "
                "them in or delete the row"
            )
        yield row._replace(key=text_key(row.text))


def _list(value: Any, what: str, where: str) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InputError(
                f"{where}: the {what} are {value!r:.80}; write them as a JSON list, such as "
                '["Ada", "Lovelace"]'
            ) from None
    if value is None:
        raise InputError(f"{where}: the {what} are missing; fill them in or delete the row")
    if not isinstance(value, list):
        raise InputError(
            f"{where}: the {what} are {value!r:.80}, of type {type(value).__name__}; they must be a list"
        )
    return value


def _check_words(words: Sequence[Any], where: str) -> None:
    for index, word in enumerate(words, start=1):
        if not isinstance(word, str):
            raise InputError(
                f"{where}: word {index} is {word!r:.80}, of type {type(word).__name__}; it must be a string"
            )
        if word == "":
            raise InputError(f"{where}: word {index} is empty; take it out of both lists")


def _check_tag(tag: Any, where: str) -> None:
    if not isinstance(tag, str):
        raise InputError(
            f"{where}: the tag {tag!r:.80} is of type {type(tag).__name__}; it must be a string such as "
            "B-person"
        )
    if LABEL_MARK in tag:
        raise InputError(f"{where}: the tag {tag!r:.80} holds a control character (\\x1f); remove it")
    if is_tag(tag):
        return
    if tag[:2] in ("L-", "U-"):
        advice = "tags of the BILOU scheme: write E- for L- and S- for U-"
    else:
        advice = "a tag is O, or B-, I-, E- or S- and the entity's type, such as B-person"
    raise InputError(f"{where}: the tag {tag!r:.80}: {advice}")


def _numbers(path: Path, settings: DataSettings) -> str:
    """Return what to do about tags that are numbers."""
    named = [
        name for name, value in first_record(path).items() if name != settings.tokens and _names_tags(value)
    ]
    if named:
        return f"the tags are numbers; {named[0]!r} has their names: set data.tags: {named[0]}"
    return (
        "the tags are numbers, and no other column has their names; replace each by its name, such as "
        "B-person for an entity's first word and O outside"
    )


def _names_tags(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return False
    return isinstance(value, list) and bool(value) and all(isinstance(t, str) and is_tag(t) for t in value)
