"""Questions, checked and split: the part of the stage `ingest` that knows of question answering."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from tritune.data.files import SQUAD_ENDING
from tritune.data.records import read_records
from tritune.data.rows import RawFile, place
from tritune.errors import InputError
from tritune.question_answering.profile import question_profile
from tritune.question_answering.questions import Question, checked_questions
from tritune.question_answering.splits import question_splits
from tritune.question_answering.squad_file import Record, squad_records
from tritune.settings.data import DataSettings
from tritune.task.contract import Ingested

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("context", pa.string(), nullable=False),
        pa.field("answers", pa.list_(pa.string()), nullable=False),
        pa.field("starts", pa.list_(pa.int32()), nullable=False),
        pa.field("ends", pa.list_(pa.int32()), nullable=False),
    ]
)
"""`question_id`: the file's own, empty where it has none. `starts` and `ends` are characters of the context;
-1 for an answer that is not in it. All three lists are empty where the context has no answer."""


def ingest(
    files: Mapping[str, tuple[Path, RawFile]],
    settings: DataSettings,
    *,
    spool: Path,  # noqa: ARG001
) -> Ingested:
    """Return the questions of each split and the profile.

    Args:
        files: Of each split that the source has: the file, and its names for messages.

    Raises:
        InputError: Something in the data can't be repaired; with file and row.
    """
    given = {
        split: list(checked_questions(raw_records(path, file, settings), file, blank=split == "train"))
        for split, (path, file) in files.items()
    }
    for split, (_, file) in files.items():
        if not given[split]:
            raise InputError(f"{file.original}: no questions; add some, or remove the file")
    data = question_splits(given, settings=settings)
    tables = {split: question_table(questions) for split, questions in data.splits.items()}
    return Ingested(tables=tables, labels=[], profile=question_profile(data))


def raw_records(path: Path, file: RawFile, settings: DataSettings) -> Iterator[Record]:
    """Yield every question of a raw file as it stands there: SQuAD's nested form, or rows with columns.

    Raises:
        InputError: As `squad_records` and `read_records`; or the file can't hold lists of answers.
    """
    if path.suffix == SQUAD_ENDING:
        yield from squad_records(path, file)
        return
    if path.suffix in (".csv", ".tsv"):
        raise InputError(
            f"{file.original}: a {path.suffix} file can't hold lists of answers; write .jsonl, .parquet, or "
            ".json in SQuAD's form"
        )
    columns = [
        (settings.context, "data.context"),
        (settings.question, "data.question"),
        (settings.answers, "data.answers"),
    ]
    for number, line, values in read_records(path, file, columns, optional=("id", "is_impossible")):
        context, question, answers, question_id, is_impossible = values
        yield Record(
            number=number,
            where=place(file, number, line),
            question_id=question_id,
            context=context,
            question=question,
            answers=answers,
            is_impossible=is_impossible,
        )


def question_table(questions: list[Question]) -> pa.Table:
    """Return one row per question, in their order; see `SCHEMA`."""
    columns = {
        "id": [one.id for one in questions],
        "question_id": [one.question_id for one in questions],
        "question": [one.question for one in questions],
        "context": [one.context for one in questions],
        "answers": [one.answers for one in questions],
        "starts": [[place.start for place in one.places] for one in questions],
        "ends": [[place.end for place in one.places] for one in questions],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
