"""`tritune predict`: an answer, in the task's own terms, for every row of a file or of stdin."""

import csv
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from tritune.errors import InputError
from tritune.given import Given, file_rows, stream_rows
from tritune.models.classes import Purpose, purpose
from tritune.task.contract import Answerer, task_module

Format = Literal["jsonl", "csv"]

BATCHES_AT_ONCE = 16
"""Batches read before the first of them is answered: inputs of like length go together."""


def predict(
    *,
    model: Path,
    source: Path | None,
    target: Path | None,
    format: Format | None,
    columns: Mapping[str, str],
    batch_size: int,
    everything: bool,
) -> int:
    """Write one row per input: id, what was given, and the model's answer. Return how many.

    A target file appears when it is complete, or not at all.

    Args:
        model: Folder of a fine-tuned model.
        source: csv, tsv, jsonl, parquet or txt; stdin if None.
        target: jsonl or csv; stdout if None.
        format: Of the output; by the target's ending if None.
        columns: Where the source calls an input of the model otherwise: `{"text": "message"}`.
        batch_size: Inputs at a time.
        everything: Whether to write all there is, such as every label's probability.

    Raises:
        InputError: Something the user gave is wrong; nothing has been written then, except to stdout.
    """
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1 (got {batch_size})")
    form = format or _format_of(target)
    check_target(target, source)
    fitted = purpose(model)
    named = named_columns(fitted, columns)
    rows = (
        file_rows(source, columns=named)
        if source is not None
        else stream_rows(sys.stdin.buffer, columns=named)
    )
    chunks = _chunks(rows, batch_size * BATCHES_AT_ONCE)
    first = next(chunks, None)
    if first is None:
        raise InputError(f"{source.name if source else 'stdin'}: nothing to answer; give one row or more")

    # Loading these takes seconds; the input has been tried by now.
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    answerer: Answerer = task_module(fitted.task, "answer").Answerer(model, device=device)
    rows_answered = 0
    with opened(target) as file:
        write = _writer(file, form)
        for chunk in itertools.chain([first], chunks):
            answers = answerer.answer(
                [given.values for given in chunk],
                batch_size=batch_size,
                ids=[f"row {given.id}" for given in chunk],
                everything=everything,
            )
            write([{"id": g.id, **g.values, **answer} for g, answer in zip(chunk, answers, strict=True)])
            file.flush()
            rows_answered += len(chunk)
    return rows_answered


def _format_of(target: Path | None) -> Format:
    ending = target.suffix.lower() if target is not None else ""
    if ending == ".csv":
        return "csv"
    if ending in ("", ".jsonl"):
        return "jsonl"
    raise InputError(
        f"--output: {target.name if target else ''}: only .jsonl and .csv are written; "
        "rename it, or say which with --format"
    )


def named_columns(fitted: Purpose, columns: Mapping[str, str]) -> dict[str, str]:
    """Return which column holds each of the model's inputs: one of its own name where nothing else was said.

    Raises:
        InputError: The model has no such input.
    """
    unknown = sorted(set(columns) - set(fitted.inputs))
    if unknown:
        raise InputError(
            f"--column {unknown[0]}: this model is for {fitted.task} and reads "
            f"{', '.join(fitted.inputs)}; name one of these"
        )
    return {name: columns.get(name, name) for name in fitted.inputs}


def check_target(target: Path | None, source: Path | None) -> None:
    """Refuse a file that can't be written, or that is the input.

    Raises:
        InputError: It is such a file.
    """
    if target is None:
        return
    if target.is_dir():
        raise InputError(f"--output: {target} is a folder; name a file in it")
    if not target.parent.is_dir():
        raise InputError(f"--output: the folder {target.parent} does not exist; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"--output: the folder {target.parent} is not writable; name another")
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"--output: {target.name} is the input; name another file, so that it stays")


def _chunks(rows: Iterable[Given], size: int) -> Iterator[list[Given]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


@contextmanager
def opened(target: Path | None) -> Iterator[TextIO]:
    """Give stdout, or a file that takes the target's name when all has been written."""
    if target is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        return
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _writer(file: TextIO, form: Format) -> Callable[[Sequence[Mapping[str, Any]]], None]:
    """Return a function that writes rows, all with the same names."""

    def write_jsonl(rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    if form == "jsonl":
        return write_jsonl
    table = csv.writer(file, lineterminator="\n")
    begun = False

    def write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal begun
        for row in map(_flat, rows):
            if not begun:
                table.writerow(row)
                begun = True
            table.writerow(row.values())

    return write_csv


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a csv holds it: probabilities in columns of their own, lists as JSON."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "probabilities":
            flat |= {f"probability_{label}": probability for label, probability in value.items()}
        elif isinstance(value, list | dict):
            flat[name] = json.dumps(value, ensure_ascii=False)
        else:
            flat[name] = value
    return flat
