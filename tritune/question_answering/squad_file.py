"""A file of questions in SQuAD's own nested form, one question at a time.

Form: `{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text",
"answer_start"}], "is_impossible"}]}]}]}`; https://rajpurkar.github.io/SQuAD-explorer/. Version 1.1 has no
`is_impossible`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tritune.data.rows import RawFile
from tritune.errors import InputError


class Record(NamedTuple):
    """One question as it stands in a file; nothing about its values has been checked."""

    number: int
    """Of the question in the file, from 1."""

    where: str
    """For messages: `train-v2.0.json, data[0].paragraphs[2].qas[1]`."""

    question_id: Any
    context: Any
    question: Any
    answers: Any
    is_impossible: Any
    """None where the file does not say."""


def squad_records(path: Path, file: RawFile) -> Iterator[Record]:
    """Yield every question in the order of the file.

    Raises:
        InputError: Not UTF-8, not JSON, or not in this form; with the place in the file.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file.original}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file.original}: not valid JSON ({error}); write it anew") from None
    number = 0
    for i, article in enumerate(_list(content, "data", file.original)):
        at_article = f"{file.original}, data[{i}]"
        for j, paragraph in enumerate(_list(article, "paragraphs", at_article)):
            at_paragraph = f"{at_article}.paragraphs[{j}]"
            for k, entry in enumerate(_list(paragraph, "qas", at_paragraph)):
                where = f"{at_paragraph}.qas[{k}]"
                if not isinstance(entry, dict):
                    raise InputError(f"{where}: {entry!r:.80}, but it must be an object with a `question`")
                number += 1
                yield Record(
                    number=number,
                    where=where,
                    question_id=entry.get("id"),
                    context=paragraph.get("context"),
                    question=entry.get("question"),
                    answers=entry.get("answers"),
                    is_impossible=entry.get("is_impossible"),
                )


def _list(content: Any, key: str, where: str) -> list[Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise InputError(
            f"{where}: no list `{key}`; a .json file must have SQuAD's form, data > paragraphs > qas. Rows "
            "with columns go into a .jsonl file, one object a line"
        )
    return found
