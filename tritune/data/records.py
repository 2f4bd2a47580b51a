"""The columns of a raw file that a task asks for, row by row, whatever the file's format.

A .csv has commas, a .tsv tabs, both double quotes; a .jsonl has one object a line; a .parquet may hold lists
and structs. What the values have to be is the task's own matter.
"""

import codecs
import csv
import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tritune.data.files import CONLL_ENDINGS, SQUAD_ENDING
from tritune.data.rows import RawFile, place
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

Columns = Sequence[tuple[str, str]]
"""Each column's name, and the key in params.yaml that names it, for messages: `("body", "data.text")`."""


class Record(NamedTuple):
    """One row as it stands in the file."""

    number: int
    """Data row in the file, from 1; the header does not count."""

    line: int | None
    """Line of the file where the row begins, from 1; None where a file has no lines."""

    values: tuple[Any, ...]
    """Of the columns asked for, in their order; None where there is none, always text in csv and tsv."""


def read_records(
    path: Path, file: RawFile, columns: Columns, *, optional: Sequence[str] = ()
) -> Iterator[Record]:
    """Yield the rows of a csv, tsv, jsonl or parquet file; there is at least one.

    Args:
        path: The file; its ending says the format.
        file: Its names, for messages.
        columns: What to read, 1 or more; the same column may be asked for twice.
        optional: Columns whose values follow those of the others; None where the file has no such column.

    Raises:
        InputError: Not UTF-8, malformed, without rows, or a column that is missing; raised on reaching it.
    """
    check_kind(path, file)
    if path.suffix in CONLL_ENDINGS:
        raise InputError(
            f"{file.original}: a {path.suffix} file is read with task: named_entity_recognition only, a word "
            "and its tag a line; else save it with named columns, as .csv or .tsv"
        )
    if path.suffix == SQUAD_ENDING:
        raise InputError(
            f"{file.original}: a .json file is read with task: question_answering only; write one JSON "
            "object a line and call it .jsonl"
        )
    read = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[path.suffix]
    number = 0
    for number, (line, values) in enumerate(read(path, file, columns, optional), start=1):
        yield Record(number, line, values)
    if number == 0:
        raise InputError(f"{file.original}: no rows; add some, or remove the file")


def first_record(path: Path) -> dict[str, Any]:
    """Return all columns of the first row of a file that `read_records` has read a row of."""
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as opened:
            rows: list[dict[str, Any]] = next(opened.iter_batches(batch_size=1)).to_pylist()
        return rows[0]
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if path.suffix == ".jsonl":
            content: dict[str, Any] = json.loads(next(line for line in lines if line.strip()))
            return content
        reader = csv.reader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
        header, row = (record for record, _ in zip(filter(None, reader), range(2), strict=False))
        return dict(zip(header, row, strict=True))


def _csv(
    path: Path, file: RawFile, columns: Columns, optional: Sequence[str]
) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
    check_utf8(path, file)
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, delimiter=delimiter, strict=True)
        records = _records(reader, file)
        _, header = next(records, (0, None))
        if header is None:
            raise InputError(
                f"{file.original}: the file is empty; its first line must name the columns, "
                f"{' and '.join(repr(name) for name, _ in columns)} among them"
            )
        other = next((mark for mark in ";\t|," if len(header) == 1 and mark in header[0]), None)
        if other and columns[0][0] not in header:
            own = {",": "csv", "\t": "tsv"}.get(other)
            raise InputError(
                f"{file.original}, line 1: columns are separated by {MARKS[other]}; in a {path.suffix} file "
                f"it must be {MARKS[delimiter]}: "
                + (f"rename the file to .{own}" if own else f"save the file with {MARKS[delimiter]}")
            )
        places: list[int | None] = [
            _column(name, key, header, f"{file.original}, line 1") for name, key in columns
        ]
        places += [header.index(name) if name in header else None for name in optional]
        for number, (line, record) in enumerate(records, start=1):
            if len(record) != len(header):
                raise InputError(
                    f"{place(file, number, line)}: {len(record)} fields, but the header names {len(header)}; "
                    f"put a text that contains {delimiter!r} or a line break in double quotes"
                )
            yield line, tuple(None if index is None else record[index] for index in places)


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


def _jsonl(
    path: Path, file: RawFile, columns: Columns, optional: Sequence[str]
) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
    check_utf8(path, file)
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
                form = ", ".join(f'"{name}": ...' for name, _ in columns)
                raise InputError(
                    f"{place(file, number, line)}: {type(row).__name__}, not an object; each line must be "
                    f"one JSON object such as {{{form}}}"
                )
            for name, key in columns:
                if name not in row:
                    raise InputError(_no_column(name, key, list(row), place(file, number, line)))
            values = tuple(row.get(name) for name in (*(name for name, _ in columns), *optional))
            if b"\\u" in content and _holds_half_a_pair(values):
                raise InputError(
                    f"{place(file, number, line)}: it holds half of a surrogate pair (\\ud800 to \\udfff), "
                    "which is not a character; write the data anew from their source"
                )
            yield line, values


def _holds_half_a_pair(values: tuple[Any, ...]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _parquet(
    path: Path, file: RawFile, columns: Columns, optional: Sequence[str]
) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
    try:
        with pq.ParquetFile(path) as opened:
            names = opened.schema_arrow.names
            for name, key in columns:
                _column(name, key, names, file.original)
            wanted = [*(name for name, _ in columns), *optional]
            there = [name for name in dict.fromkeys(wanted) if name in names]
            for batch in opened.iter_batches(columns=there):
                lists = [
                    batch.column(name).to_pylist() if name in there else [None] * batch.num_rows
                    for name in wanted
                ]
                for values in zip(*lists, strict=True):
                    yield None, values
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file.original}: not a readable parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from None


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


def check_kind(path: Path, file: RawFile) -> None:
    """Raise if the file begins as something that its ending does not say."""
    with path.open("rb") as opened:
        begins = opened.read(32)
    for start, kind in OTHER_KINDS.items():
        if begins.startswith(start):
            raise InputError(f"{file.original}: not a {path.suffix} file but {kind}")


def check_utf8(path: Path, file: RawFile) -> None:
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
