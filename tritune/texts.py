"""Texts to label, from a file or a stream, one at a time, so that a large file needs little memory.

A csv or tsv has a header; a jsonl has one object a line; a txt, or a stream, has one text a line. A stream
whose first line is a JSON object is read as jsonl. Empty lines are skipped where a line is a row.
"""

import codecs
import csv
import difflib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.errors import InputError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")


class Text(NamedTuple):
    """One text, and what to call it: the value of the column `id` where there is one, else its number."""

    id: str | int
    text: str


def file_texts(path: Path, *, text_column: str) -> Iterator[Text]:
    """Yield the texts of a file whose ending says its format.

    Raises:
        InputError: There is no such file, its ending is unknown, it is not UTF-8 or malformed, it has no such
            column, or a text is missing.
    """
    if not path.is_file():
        what = "is a folder; name a file in it" if path.is_dir() else "there is no such file"
        raise InputError(f"--input: {path}: {what}")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"--input: {path.name}: only {', '.join(ENDINGS)} are read; convert it")
    if ending == ".parquet":
        yield from _parquet(path, text_column)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"--input: {path}: {error.strerror}") from None
    with file:
        lines = _decoded(file, path.name)
        if ending == ".txt":
            yield from _lines(lines)
        elif ending == ".jsonl":
            yield from _jsonl(lines, path.name, text_column)
        else:
            yield from _csv(lines, path.name, text_column, "\t" if ending == ".tsv" else ",")


def stream_texts(stream: Iterable[bytes], *, text_column: str) -> Iterator[Text]:
    """Yield the texts of a stream such as `sys.stdin.buffer`, one a line. Errors as `file_texts`."""
    lines = _decoded(stream, "stdin")
    waiting = []
    for number, line in lines:
        waiting.append((number, line))
        if line.strip():
            break
    everything = itertools.chain(waiting, lines)
    if waiting and _is_object(waiting[-1][1]):
        yield from _jsonl(everything, "stdin", text_column)
    else:
        yield from _lines(everything)


def _decoded(stream: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number from 1, its end kept."""
    for number, line in enumerate(stream, start=1):
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{name}: the file is UTF-16, not UTF-8; save it as UTF-8")
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
            ) from None


def _lines(lines: Iterable[tuple[int, str]]) -> Iterator[Text]:
    for number, line in lines:
        if line.strip():
            yield Text(number, line.rstrip("\r\n"))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _jsonl(lines: Iterable[tuple[int, str]], name: str, text_column: str) -> Iterator[Text]:
    for number, line in lines:
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{where}: not valid JSON ({error}); each line must be one JSON object"
            ) from None
        if not isinstance(row, dict):
            raise InputError(
                f"{where}: {type(row).__name__}, not an object; each line must be one JSON object"
            )
        if text_column not in row:
            raise InputError(f"{where}: {_no_column(text_column, list(row))}")
        yield Text(_id(row.get("id"), number), _checked(row[text_column], where, text_column))


def _csv(lines: Iterable[tuple[int, str]], name: str, text_column: str, mark: str) -> Iterator[Text]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((line for _, line in lines), delimiter=mark, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return
        column = _column(text_column, header, name)
        id_column = header.index("id") if header.count("id") == 1 else None
        for number, record in enumerate(filter(None, reader), start=1):
            where = f"{name}, row {number} (ends in line {reader.line_num})"
            if len(record) != len(header):
                raise InputError(
                    f"{where}: {len(record)} fields, but the header names {len(header)}; put a text that "
                    f"contains {mark!r} or a line break in double quotes"
                )
            found = _id(record[id_column] if id_column is not None else None, number)
            yield Text(found, _checked(record[column], where, text_column))
    except csv.Error as error:
        raise InputError(
            f"{name}, line {reader.line_num}: broken quotes ({error}); a field that begins with a double "
            "quote must end with one, and a double quote inside it is written twice"
        ) from None


def _parquet(path: Path, text_column: str) -> Iterator[Text]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _column(text_column, names, path.name)
            columns = [text_column, *(["id"] if "id" in names and text_column != "id" else [])]
            number = 0
            for batch in file.iter_batches(4096, columns=columns):
                ids = batch.column("id").to_pylist() if len(columns) > 1 else [None] * batch.num_rows
                for found, text in zip(ids, batch.column(text_column).to_pylist(), strict=True):
                    number += 1
                    where = f"{path.name}, row {number}"
                    yield Text(_id(found, number), _checked(text, where, text_column))
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path.name}: not a readable parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from None


def _id(value: Any, number: int) -> str | int:
    return (
        value if isinstance(value, int) and not isinstance(value, bool) else str(value) if value else number
    )


def _checked(value: Any, where: str, column: str) -> str:
    if not isinstance(value, str):
        kind = "missing" if value is None else f"{value!r:.80}, not a string"
        raise InputError(f"{where}, column {column!r}: the text is {kind}; fill it in or delete the row")
    if not value.strip():
        raise InputError(f"{where}, column {column!r}: the text is empty; fill it in or delete the row")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{where}, column {column!r}: it holds half of a surrogate pair (\\ud800 to \\udfff), which is "
            "not a character; write the data anew from their source"
        ) from None
    return value


def _column(name: str, columns: Sequence[str], where: str) -> int:
    if columns.count(name) > 1:
        raise InputError(f"{where}: {columns.count(name)} columns are called {name!r}; rename all but one")
    if name not in columns:
        raise InputError(f"{where}: {_no_column(name, columns)}")
    return columns.index(name)


def _no_column(name: str, columns: Sequence[str]) -> str:
    by_lower = {column.strip().lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    hint = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    there = ", ".join(map(repr, columns[:20])) + (", …" if len(columns) > 20 else "")
    return f"no column {name!r}{hint}; give --text one of: {there or 'none'}"
