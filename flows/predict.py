"""`tritune predict`: a label for every text of a file or of stdin."""

import csv
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from tritune.errors import InputError
from tritune.models.classes import class_names
from tritune.texts import Text, file_texts, stream_texts

Format = Literal["jsonl", "csv"]

BATCHES_AT_ONCE = 16
"""Batches read before the first of them is answered: texts of like length go together."""


def predict(
    *,
    model: Path,
    source: Path | None,
    target: Path | None,
    format: Format | None,
    text_column: str,
    batch_size: int,
    all_probabilities: bool,
) -> None:
    """Write one row per text: id, text, label, probability, and on request every label's probability.

    A target file appears when it is complete, or not at all.

    Args:
        model: Folder of a fine-tuned classifier.
        source: csv, tsv, jsonl, parquet or txt; stdin if None.
        target: jsonl or csv; stdout if None.
        format: Of the output; by the target's ending if None.
        text_column: Column that holds the text.
        batch_size: Texts at a time.
        all_probabilities: Whether to write every label's probability.

    Raises:
        InputError: Something the user gave is wrong; nothing has been written then, except to stdout.
    """
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1 (got {batch_size})")
    form = format or _format_of(target)
    _check_target(target, source)
    labels = class_names(model)
    texts = (
        file_texts(source, text_column=text_column)
        if source is not None
        else stream_texts(sys.stdin.buffer, text_column=text_column)
    )
    chunks = _chunks(texts, batch_size * BATCHES_AT_ONCE)
    first = next(chunks, None)
    if first is None:
        raise InputError(f"{source.name if source else 'stdin'}: no texts; give one or more")

    # Loading these takes seconds; the input has been tried by now.
    import torch
    from transformers.utils import logging

    from tritune.labelling import Labeller

    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    labeller = Labeller(model, device=device)
    with _opened(target) as file:
        writer = _writer(file, form, labels, all_probabilities=all_probabilities)
        for chunk in itertools.chain([first], chunks):
            rows = [f"text {text.id}" for text in chunk]
            probabilities = labeller.probabilities(
                [text.text for text in chunk], batch_size=batch_size, row_ids=rows
            )
            writer(chunk, probabilities.tolist())
            file.flush()


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


def _check_target(target: Path | None, source: Path | None) -> None:
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


def _chunks(texts: Iterable[Text], size: int) -> Iterator[list[Text]]:
    iterator = iter(texts)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


@contextmanager
def _opened(target: Path | None) -> Iterator[TextIO]:
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


def _writer(file: TextIO, form: Format, labels: Sequence[str], *, all_probabilities: bool) -> Any:
    """Return a function that writes a chunk of texts with their probabilities."""

    def best(row: Sequence[float]) -> tuple[str, float]:
        index = max(range(len(row)), key=row.__getitem__)
        return labels[index], _short(row[index])

    def write_jsonl(chunk: Sequence[Text], probabilities: Sequence[Sequence[float]]) -> None:
        for text, row in zip(chunk, probabilities, strict=True):
            label, probability = best(row)
            content: dict[str, Any] = {
                "id": text.id,
                "text": text.text,
                "label": label,
                "probability": probability,
            }
            if all_probabilities:
                content["probabilities"] = dict(zip(labels, map(_short, row), strict=True))
            file.write(json.dumps(content, ensure_ascii=False) + "\n")

    if form == "jsonl":
        return write_jsonl
    table = csv.writer(file, lineterminator="\n")
    extra = [f"probability_{label}" for label in labels] if all_probabilities else []
    table.writerow(["id", "text", "label", "probability", *extra])

    def write_csv(chunk: Sequence[Text], probabilities: Sequence[Sequence[float]]) -> None:
        for text, row in zip(chunk, probabilities, strict=True):
            shown = map(_short, row) if all_probabilities else ()
            table.writerow([text.id, text.text, *best(row), *shown])

    return write_csv


def _short(probability: float) -> float:
    """Return six decimals: float32 holds no more that mean something."""
    return round(probability, 6)
