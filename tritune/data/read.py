"""A raw file as checked rows: every problem with file, row, line and column."""

import codecs
import csv
import difflib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.data.rows import RawFile, Row, place, text_key
from tritune.errors import InputError

CHUNK = 1 << 20
"""Bytes decoded at a time."""

OTHER_KINDS = {
    b"\x1f\x8b": "packed with gzip; unpack it",
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save it as CSV UTF-8",
    b"version https://git-lfs": "a Git LFS pointer, not the data; run `git lfs pull`",
}
"""How a file begins that is not what its ending says."""

MARKS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}

Field = tuple[int | None, Any, Any]
"""A row as it stands in the file: line where it begins, text, label."""


def read_rows(path: Path, file: RawFile, *, text: str, label: str, blank_text: bool) -> tuple[list[Row], int]:
    """Return the rows of a csv, tsv, jsonl or parquet file, and how many labels had white space cut off.

    Labels may be text, whole numbers (kept as digits) or true and false; all of one type. White space at
    a label's ends is cut off, in a text it stays.

    Args:
        path: The file; its ending says the format. A .csv has commas, a .tsv tabs, both double quotes.
        file: Its names, for ids and messages.
        text: Column that holds the text.
        label: Column that holds the label.
        blank_text: Whether a text may be of white space only.

    Raises:
        InputError: Not UTF-8, malformed, without rows, a column that is missing, an empty or mistyped
            text or label.
    """
    _check_kind(path, file)
    fields = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[path.suffix]
    rows: list[Row] = []
    labels: dict[str, str] = {}
    label_type: type | None = None
    trimmed = 0
    for number, (line, text_value, label_value) in enumerate(fields(path, file, text, label), start=1):
        if text_value is None or text_value == "":
            raise InputError(
                f"{place(file, number, line, text)}: the text is missing; fill it in or delete the row"
            )
        if not isinstance(text_value, str):
            raise InputError(
                f"{place(file, number, line, text)}: the text is {text_value!r:.80}, of type "
                f"{type(text_value).__name__}; it must be a string"
            )
        if not blank_text and not text_value.strip():
            raise InputError(
                f"{place(file, number, line, text)}: the text is only white space, and rows for validation "
                "and test are never dropped; fill it in or delete the row"
            )
        if _is_missing(label_value):
            raise InputError(
                f"{place(file, number, line, label)}: the label is missing; fill it in or delete the row"
            )
        name = _label_name(label_value)
        if name is None:
            raise InputError(
                f"{place(file, number, line, label)}: the label is {label_value!r:.80}, of type "
                f"{type(label_value).__name__}; it must be a string, a whole number, or true or false: "
                "convert the column"
            )
        if label_type is None:
            label_type = type(label_value)
        elif type(label_value) is not label_type:
            raise InputError(
                f"{place(file, number, line, label)}: the label is {label_value!r:.80}, of type "
                f"{type(label_value).__name__}, but the labels before it are of type {label_type.__name__}; "
                "give all labels one type"
            )
        if name != name.strip():
            name = name.strip()
            trimmed += 1
        try:
            key = text_key(text_value)
            name.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{place(file, number, line)}: it holds half of a surrogate pair (\\ud800 to \\udfff), which "
                "is not a character; write the data anew from their source"
            ) from None
        rows.append(Row(file, number, line, text_value, labels.setdefault(name, name), key))
    if not rows:
        raise InputError(f"{file.original}: no rows; add some, or remove the file")
    return rows, trimmed


def _is_missing(label: Any) -> bool:
    # Tables of pandas hold NaN where a value is missing.
    nan = isinstance(label, float) and math.isnan(label)
    return label is None or nan or (isinstance(label, str) and not label.strip())


def _label_name(value: Any) -> str | None:
    """Return a label as text; None for what cannot be a label."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return None


def _csv(path: Path, file: RawFile, text: str, label: str) -> Iterator[Field]:
    _check_utf8(path, file)
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, delimiter=delimiter, strict=True)
        records = _records(reader, file)
        _, header = next(records, (0, None))
        if header is None:
            raise InputError(
                f"{file.original}: the file is empty; its first line must name the columns, {text!r} and "
                f"{label!r} among them"
            )
        other = next((mark for mark in ";\t|," if len(header) == 1 and mark in header[0]), None)
        if other and text not in header:
            own = {",": "csv", "\t": "tsv"}.get(other)
            raise InputError(
                f"{file.original}, line 1: columns are separated by {MARKS[other]}; in a {path.suffix} file "
                f"it must be {MARKS[delimiter]}: "
                + (f"rename the file to .{own}" if own else f"save the file with {MARKS[delimiter]}")
            )
        columns = [
            _column(name, key, header, f"{file.original}, line 1") for name, key in _wanted(text, label)
        ]
        for number, (line, record) in enumerate(records, start=1):
            if len(record) != len(header):
                raise InputError(
                    f"{place(file, number, line)}: {len(record)} fields, but the header names {len(header)}; "
                    f"put a text that contains {delimiter!r} or a line break in double quotes"
                )
            yield line, record[columns[0]], record[columns[1]]


def _records(reader: Any, file: RawFile) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not an empty line, with the line where it begins."""
    count = 0
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"{file.original}, line {line}" if count == 0 else place(file, count, line)
            raise InputError(
                f"{where}: broken quotes ({error}); a field that begins with a double quote must end with "
                "one, and a double quote inside it is written twice"
            ) from None
        if record:
            count += 1
            yield line, record


def _jsonl(path: Path, file: RawFile, text: str, label: str) -> Iterator[Field]:
    _check_utf8(path, file)
    number = 0
    with path.open("rb") as opened:
        for line, content in enumerate(opened, start=1):
            if line == 1:
                content = content.removeprefix(codecs.BOM_UTF8)
            if not content.strip():
                continue
            number += 1
            if number == 1 and content.lstrip().startswith(b"[") and b"{" in content + opened.read(CHUNK):
                raise InputError(
                    f"{file.original}, line {line}: one JSON array of all rows; write each row on a line of "
                    "its own, without brackets and commas around the rows: jq -c '.[]' "
                    f"{file.original} > NEW_FILE"
                )
            try:
                row = json.loads(content)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{place(file, number, line)}: not valid JSON ({error}); each line must be one JSON "
                    "object"
                ) from None
            if not isinstance(row, dict):
                raise InputError(
                    f"{place(file, number, line)}: {type(row).__name__}, not an object; each line must be "
                    f'one JSON object such as {{"{text}": ..., "{label}": ...}}'
                )
            for name, key in _wanted(text, label):
                if name not in row:
                    raise InputError(_no_column(name, key, list(row), place(file, number, line)))
            yield line, row[text], row[label]


def _parquet(path: Path, file: RawFile, text: str, label: str) -> Iterator[Field]:
    try:
        with pq.ParquetFile(path) as opened:
            names = opened.schema_arrow.names
            for name, key in _wanted(text, label):
                _column(name, key, names, file.original)
            for batch in opened.iter_batches(columns=list(dict.fromkeys([text, label]))):
                texts = batch.column(text).to_pylist()
                labels = texts if text == label else batch.column(label).to_pylist()
                for text_value, label_value in zip(texts, labels, strict=True):
                    yield None, text_value, label_value
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file.original}: not a readable parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from None


def _wanted(text: str, label: str) -> list[tuple[str, str]]:
    return [(text, "data.text"), (label, "data.label")]


def _column(name: str, key: str, columns: Sequence[str], where: str) -> int:
    if columns.count(name) > 1:
        raise InputError(f"{where}: {columns.count(name)} columns are called {name!r}; rename all but one")
    if name not in columns:
        raise InputError(_no_column(name, key, columns, where))
    return columns.index(name)


def _no_column(name: str, key: str, columns: Sequence[str], where: str) -> str:
    by_lower = {column.strip().lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    hint = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    there = ", ".join(map(repr, columns[:20])) + (", …" if len(columns) > 20 else "")
    return f"{where}: no column {name!r}{hint}; set {key} in params.yaml to one of: {there or 'none'}"


def _check_kind(path: Path, file: RawFile) -> None:
    with path.open("rb") as opened:
        begins = opened.read(32)
    for start, kind in OTHER_KINDS.items():
        if begins.startswith(start):
            raise InputError(f"{file.original}: not a {path.suffix} file but {kind}")


def _check_utf8(path: Path, file: RawFile) -> None:
    """Raise unless the whole file is UTF-8; a byte order mark at its start is allowed."""
    done, line, rest = 0, 1, b""
    with path.open("rb") as opened:
        while True:
            chunk = opened.read(CHUNK)
            if done == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(
                    f"{file.original}: the file is UTF-16, not UTF-8; save it as UTF-8 (in a spreadsheet: "
                    '"CSV UTF-8")'
                )
            data = rest + chunk
            try:
                _, used = codecs.utf_8_decode(data, "strict", not chunk)
            except UnicodeDecodeError as error:
                line += data.count(b"\n", 0, error.start)
                raise InputError(
                    f"{file.original}, line {line}: byte {done + error.start} (0x{data[error.start]:02x}) is "
                    'not UTF-8; save the file as UTF-8 (in a spreadsheet: "CSV UTF-8"), or convert it: '
                    f"iconv -f WINDOWS-1252 -t UTF-8 {file.original} > NEW_FILE"
                ) from None
            if not chunk:
                return
            line += data.count(b"\n", 0, used)
            done += used
            rest = data[used:]
