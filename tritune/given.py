"""What a model is to answer, from a file or a stream, one row at a time: a large file needs little memory.

A csv or tsv has a header; a jsonl has one object a line; a txt, or a stream, has one text a line, which does
for models that read one text. A stream whose first line is a JSON object is read as jsonl. Empty lines are
skipped where a line is a row.
"""

import codecs
import csv
import difflib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.errors import InputError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")


class Given(NamedTuple):
    """One row, and what to call it: the value of the column `id` where there is one, else its number."""

    id: str | int
    values: dict[str, Any]
    """By the model's own names of its inputs; text, but for `messages`, which may be a list."""


def file_rows(path: Path, *, columns: Mapping[str, str]) -> Iterator[Given]:
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
        yield from _parquet(path, columns)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"--input: {path}: {error.strerror}") from None
    with file:
        lines = _decoded(file, path.name)
        if ending == ".txt":
            yield from _lines(lines, path.name, columns)
        elif ending == ".jsonl":
            yield from _jsonl(lines, path.name, columns)
        else:
            yield from _csv(lines, path.name, columns, "\t" if ending == ".tsv" else ",")


def stream_rows(stream: Iterable[bytes], *, columns: Mapping[str, str]) -> Iterator[Given]:
    """Yield the texts of a stream such as `sys.stdin.buffer`, one a line. Errors as `file_rows`."""
    lines = _decoded(stream, "stdin")
    waiting = []
    for number, line in lines:
        waiting.append((number, line))
        if line.strip():
            break
    everything = itertools.chain(waiting, lines)
    if waiting and _is_object(waiting[-1][1]):
        yield from _jsonl(everything, "stdin", columns)
    else:
        yield from _lines(everything, "stdin", columns)


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


def _lines(lines: Iterable[tuple[int, str]], where: str, columns: Mapping[str, str]) -> Iterator[Given]:
    if len(columns) != 1:
        raise InputError(
            f"{where}: plain lines do for models that read one text, and this one reads "
            f"{' and '.join(columns)}; give one JSON object a line, or a csv with these columns by --input"
        )
    (name,) = columns
    for number, line in lines:
        if line.strip():
            yield Given(number, {name: line.rstrip("\r\n")})


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _jsonl(lines: Iterable[tuple[int, str]], name: str, columns: Mapping[str, str]) -> Iterator[Given]:
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
        for name, column in columns.items():
            if column not in row:
                raise InputError(f"{where}: {_no_column(name, column, list(row))}")
        values = {name: _checked(name, row[column], where, column) for name, column in columns.items()}
        yield Given(_id(row.get("id"), number), values)


def _csv(
    lines: Iterable[tuple[int, str]], name: str, columns: Mapping[str, str], mark: str
) -> Iterator[Given]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((line for _, line in lines), delimiter=mark, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return
        places = {own: _column(own, column, header, name) for own, column in columns.items()}
        id_column = header.index("id") if header.count("id") == 1 else None
        for number, record in enumerate(filter(None, reader), start=1):
            where = f"{name}, row {number} (ends in line {reader.line_num})"
            if len(record) != len(header):
                raise InputError(
                    f"{where}: {len(record)} fields, but the header names {len(header)}; put a text that "
                    f"contains {mark!r} or a line break in double quotes"
                )
            found = _id(record[id_column] if id_column is not None else None, number)
            values = {own: _checked(own, record[i], where, columns[own]) for own, i in places.items()}
            yield Given(found, values)
    except csv.Error as error:
        raise InputError(
            f"{name}, line {reader.line_num}: broken quotes ({error}); a field that begins with a double "
            "quote must end with one, and a double quote inside it is written twice"
        ) from None


def _parquet(path: Path, columns: Mapping[str, str]) -> Iterator[Given]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for own, column in columns.items():
                _column(own, column, names, path.name)
            has_id = "id" in names and "id" not in columns.values()
            wanted = list(dict.fromkeys([*columns.values(), *(["id"] if has_id else [])]))
            number = 0
            for batch in file.iter_batches(4096, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{path.name}, row {number}"
                    values = {
                        own: _checked(own, row[column], where, column) for own, column in columns.items()
                    }
                    yield Given(_id(row["id"] if has_id else None, number), values)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path.name}: not a readable parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from None


def _id(value: Any, number: int) -> str | int:
    return (
        value if isinstance(value, int) and not isinstance(value, bool) else str(value) if value else number
    )


def _checked(name: str, value: Any, where: str, column: str) -> Any:
    if name == "messages" and isinstance(value, list):
        return value  # the task looks at its turns
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


def _column(own: str, name: str, columns: Sequence[str], where: str) -> int:
    if columns.count(name) > 1:
        raise InputError(f"{where}: {columns.count(name)} columns are called {name!r}; rename all but one")
    if name not in columns:
        raise InputError(f"{where}: {_no_column(own, name, columns)}")
    return columns.index(name)


def _no_column(own: str, name: str, columns: Sequence[str]) -> str:
    by_lower = {column.strip().lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    hint = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    there = ", ".join(map(repr, columns[:20])) + (", …" if len(columns) > 20 else "")
    option = "--text" if own == "text" else f"--column {own}="
    return f"no column {name!r}{hint}; give {option} one of: {there or 'none'}"
