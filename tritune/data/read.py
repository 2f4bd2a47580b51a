"""A raw file as checked rows of text and label: every problem with file, row, line and column."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritune.data.records import read_records
from tritune.data.rows import LABEL_MARK, RawFile, Row, place, text_key
from tritune.errors import InputError
from tritune.settings.data import DataSettings


def read_rows(path: Path, file: RawFile, settings: DataSettings, *, blank_text: bool) -> Iterator[Row]:
    """Yield the rows of a csv, tsv, jsonl or parquet file, in its order.

    Labels may be text, whole numbers (kept as digits) or true and false; all of one type. White space at
    a label's ends is cut off, in a text it stays. With `settings.multi_label` a row has a list of labels,
    or, in a csv or tsv, one field with `settings.label_separator` between them; none is allowed.

    Args:
        path: The file; its ending says the format. A .csv has commas, a .tsv tabs, both double quotes.
        file: Its names, for ids and messages.
        settings: Which columns hold text, second text and label.
        blank_text: Whether a text may be of white space only.

    Raises:
        InputError: Not UTF-8, malformed, without rows, a column that is missing, an empty or mistyped
            text or label; raised on reaching it.
    """
    columns = [(settings.text, "data.text"), (settings.label, "data.label")]
    if settings.text_pair is not None:
        columns.append((settings.text_pair, "data.text_pair"))
    separator = settings.label_separator if path.suffix in {".csv", ".tsv"} else None
    names: dict[str, str] = {}
    label_type: type | None = None
    for number, line, (text, label, *pair) in read_records(path, file, columns):
        where = place(file, number, line, settings.text)
        _check_text(text, where, blank_text=blank_text)
        if pair:
            _check_text(pair[0], place(file, number, line, columns[2][0]), blank_text=blank_text)
        where = place(file, number, line, settings.label)
        values = _several(label, where, separator) if settings.multi_label else [label]
        found, trimmed = [], 0
        for value in values:
            name = _label(value, where)
            if label_type is None:
                label_type = type(value)
            elif type(value) is not label_type:
                raise InputError(
                    f"{where}: the label is {value!r:.80}, of type {type(value).__name__}, but the labels "
                    f"before it are of type {label_type.__name__}; give all labels one type"
                )
            trimmed += name != name.strip()
            found.append(name.strip())
        joined = LABEL_MARK.join(sorted(set(found)))
        key = text_key(LABEL_MARK.join([text, *pair]))
        second = pair[0] if pair else None
        yield Row(file, number, line, text, names.setdefault(joined, joined), key, second, trimmed)


def _check_text(text: Any, where: str, *, blank_text: bool) -> None:
    if text is None or text == "":
        raise InputError(f"{where}: the text is missing; fill it in or delete the row")
    if not isinstance(text, str):
        raise InputError(
            f"{where}: the text is {text!r:.80}, of type {type(text).__name__}; it must be a string"
        )
    if not blank_text and not text.strip():
        raise InputError(
            f"{where}: the text is only white space, and rows for validation and test are never dropped; "
            "fill it in or delete the row"
        )


def _several(value: Any, where: str, separator: str | None) -> list[Any]:
    """Return the labels of a row that may have any number of them."""
    if _is_missing(value):
        return []
    if separator is not None and isinstance(value, str):
        return [label for label in value.split(separator) if label.strip()]
    if isinstance(value, list):
        return value
    raise InputError(
        f"{where}: the labels are {value!r:.80}, of type {type(value).__name__}; with data.multi_label: true "
        f"they must be a list such as {json.dumps(['a', 'b'])}"
    )


def _label(value: Any, where: str) -> str:
    if _is_missing(value):
        raise InputError(f"{where}: the label is missing; fill it in or delete the row")
    name = _label_name(value)
    if name is None:
        raise InputError(
            f"{where}: the label is {value!r:.80}, of type {type(value).__name__}; it must be a string, a "
            "whole number, or true or false: convert the column"
        )
    if LABEL_MARK in name:
        raise InputError(f"{where}: the label {name!r:.80} holds a control character (\\x1f); remove it")
    return name


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
