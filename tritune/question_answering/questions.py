"""A question of a raw file, checked: what it asks, of which text, and where its answers stand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tritune.data.rows import RawFile, text_key
from tritune.errors import InputError
from tritune.question_answering.placing import Place, place_of
from tritune.question_answering.squad_file import Record


@dataclass(frozen=True)
class Question:
    """One question with its context and its gold answers."""

    file: RawFile
    number: int
    """Of the question in the file, from 1."""

    question_id: str
    """Its own name in the file, empty where it has none."""

    question: str
    context: str
    answers: tuple[str, ...]
    """As written, none of them blank; none at all where the context has no answer."""

    places: tuple[Place, ...]
    """Where each of them stands in the context."""

    blank_answers: int
    """Answers of white space only, left out."""

    context_key: bytes
    """`text_key` of the context."""

    @property
    def id(self) -> str:
        """Unique over all splits, and the same whatever happens to other questions: `train.json:17`."""
        return f"{self.file.raw}:{self.number}"

    @property
    def found(self) -> bool:
        """Whether it has no answer, or one of its answers is in the context."""
        return not self.answers or any(place.start >= 0 for place in self.places)


def checked_questions(records: Iterable[Record], file: RawFile, *, blank: bool) -> Iterator[Question]:
    """Yield the question of every record.

    Args:
        records: In the order of the file.
        file: Its names.
        blank: Whether a question or a context may be of white space only.

    Raises:
        InputError: A question or a context is missing, no text, or blank; answers have another form than
            `{"text": [...], "answer_start": [...]}` or `[{"text": ..., "answer_start": ...}]`; or
            `is_impossible` says otherwise than the answers.
    """
    contexts: dict[str, tuple[str, bytes]] = {}
    for record in records:
        question = _text(record.question, "question", record.where, blank=blank)
        context = _text(record.context, "context", record.where, blank=blank)
        # Questions of one paragraph share its string.
        if context not in contexts:
            contexts[context] = (context, _key(context, record.where))
        _key(question, record.where)
        context, key = contexts[context]
        given = list(_answers(record.answers, record.where))
        answers = [(text, start) for text, start in given if text.strip()]
        _check_impossible(record, answers=len(answers))
        yield Question(
            file=file,
            number=record.number,
            question_id="" if record.question_id is None else str(record.question_id),
            question=question,
            context=context,
            answers=tuple(text for text, _ in answers),
            places=tuple(place_of(text, context, start) for text, start in answers),
            blank_answers=len(given) - len(answers),
            context_key=key,
        )


def _text(value: Any, name: str, where: str, *, blank: bool) -> str:
    if value is None or value == "":
        raise InputError(f"{where}: the {name} is missing; fill it in or delete the row")
    if not isinstance(value, str):
        raise InputError(
            f"{where}: the {name} is {value!r:.80}, of type {type(value).__name__}; it must be a string"
        )
    if not blank and not value.strip():
        raise InputError(
            f"{where}: the {name} is only white space, and rows for validation and test are never dropped; "
            "fill it in or delete the row"
        )
    return value


def _key(text: str, where: str) -> bytes:
    try:
        return text_key(text)
    except UnicodeEncodeError:
        raise InputError(
            f"{where}: it holds half of a surrogate pair (\\ud800 to \\udfff), which is not a character; "
            "write the data anew from their source"
        ) from None


def _answers(value: Any, where: str) -> Iterator[tuple[str, int | None]]:
    """Yield text and stated start of each answer."""
    if value is None:
        return
    if isinstance(value, Mapping):
        texts, starts = value.get("text"), value.get("answer_start")
        if (
            not isinstance(texts, list)
            or not isinstance(starts, list | None)
            or (isinstance(starts, list) and len(starts) != len(texts))
        ):
            raise InputError(
                f"{where}: the answers are {value!r:.80}; `text` and `answer_start` must be lists of "
                "equal length"
            )
        pairs = list(zip(texts, starts if starts is not None else [None] * len(texts), strict=True))
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        pairs = [(one.get("text"), one.get("answer_start")) for one in value]
    else:
        raise InputError(
            f"{where}: the answers are {value!r:.80}, of type {type(value).__name__}; they must be "
            "an object with the lists `text` and `answer_start`, or a list of objects with `text` and "
            "`answer_start`"
        )
    for text, start in pairs:
        if not isinstance(text, str):
            raise InputError(f"{where}: an answer is {text!r:.80}; its `text` must be a string")
        if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
            raise InputError(
                f"{where}: the answer {text!r:.40} has `answer_start` {start!r:.40}; it must be a whole "
                "number, the position of its first character in the context, from 0"
            )
        _key(text, where)
        yield text, start


def _check_impossible(record: Record, *, answers: int) -> None:
    impossible = record.is_impossible
    if impossible is None:
        return
    if not isinstance(impossible, bool):
        raise InputError(f"{record.where}: `is_impossible` is {impossible!r:.40}; it must be true or false")
    if impossible and answers:
        raise InputError(
            f"{record.where}: `is_impossible` is true, but there are {answers} answers; correct one of "
            "them (what only seems to be an answer belongs into `plausible_answers`)"
        )
    if not impossible and not answers:
        raise InputError(
            f"{record.where}: `is_impossible` is false, but there is no answer; add one, or say true"
        )
