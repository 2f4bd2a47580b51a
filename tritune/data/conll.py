"""Files with a word a line, its tag in the last column, and a blank line after each sentence.

The form of the CoNLL shared tasks (https://www.clips.uantwerpen.be/conll2003/ner/): columns between tabs or
spaces, the word in the first; `-DOCSTART-` lines belong to no sentence. Lines between sentences that begin
with # and do not end in a tag are comments, as in CoNLL-U and MultiCoNER.
"""

from collections.abc import Iterator
from pathlib import Path

from tritune.data.records import Record, check_kind, check_utf8
from tritune.data.rows import RawFile
from tritune.errors import InputError
from tritune.tags import is_tag

DOCUMENT = "-DOCSTART-"
BLANK = " \t\r\n"


def read_sentences(path: Path, file: RawFile) -> Iterator[Record]:
    """Yield each sentence with the line where it begins; values are its words and its tags, lists of text.

    Raises:
        InputError: Not UTF-8, a line with one column, a line with another number of columns than those before
            it, first columns that count the words, or no sentence at all.
    """
    check_kind(path, file)
    check_utf8(path, file)
    number, begin = 0, 0
    width: int | None = None
    words: list[str] = []
    tags: list[str] = []
    with path.open(encoding="utf-8-sig", newline="\n") as opened:
        for line, content in enumerate(opened, start=1):
            if not content.strip(BLANK) or content.startswith(DOCUMENT):
                if words:
                    number += 1
                    yield _sentence(number, begin, words, tags, file)
                    words, tags = [], []
                continue
            fields = _fields(content)
            if not words and fields[0].startswith("#") and not is_tag(fields[-1]):
                continue
            if len(fields) < 2 or not fields[0]:
                raise InputError(
                    f"{file.original}, line {line}: {content.strip()!r:.80} is not a word and its tag; write "
                    "the word first and its tag last, with a tab or a space between them"
                )
            width = width or len(fields)
            if len(fields) != width:
                raise InputError(
                    f"{file.original}, line {line}: {len(fields)} columns, but the lines before it have "
                    f"{width}; put a tab between columns if words have spaces in them"
                )
            begin = begin if words else line
            words.append(fields[0])
            tags.append(fields[-1])
    if words:
        number += 1
        yield _sentence(number, begin, words, tags, file)
    if number == 0:
        raise InputError(f"{file.original}: no sentences; add some, or remove the file")


def _fields(content: str) -> list[str]:
    """Return the columns of a line; a word may have spaces in it if tabs part the columns."""
    if "\t" in content.strip(BLANK):
        return [field.strip(" ") for field in content.rstrip(BLANK).split("\t")]
    return content.split()


def _sentence(number: int, line: int, words: list[str], tags: list[str], file: RawFile) -> Record:
    if number == 1 and len(words) > 2 and words == [str(index) for index in range(1, len(words) + 1)]:
        raise InputError(
            f"{file.original}, line {line}: the first column counts 1, 2, 3; it must hold the words: "
            f"cut -f2- {file.original} > NEW_FILE"
        )
    return Record(number, line, (words, tags))
