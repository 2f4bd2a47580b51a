"""Questions as three splits fit for training, and what had to be dropped for that.

A context lies in one split only: missing splits are cut by a hash of the context, and questions whose context
a given validation or test split holds leave the training split. Validation and test lose nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tritune.data.files import SPLITS
from tritune.data.rows import text_key
from tritune.data.split import part
from tritune.errors import InputError
from tritune.question_answering.questions import Question
from tritune.settings.data import DataSettings

Findings = dict[str, dict[str, list[Question]]]
"""Split -> reason -> questions."""


@dataclass(frozen=True)
class Questions:
    """Splits of question answering."""

    splits: dict[str, list[Question]]
    given: dict[str, int]
    """Questions of each split that the source has."""

    cut: list[str]
    """Splits that were cut from the training questions."""

    dropped: Findings
    noticed: Findings
    """In doubt, but kept."""


def question_splits(given: Mapping[str, Sequence[Question]], *, settings: DataSettings) -> Questions:
    """Return train, validation and test; a split that is not given is cut from train.

    From train are dropped, in this order: blank questions or contexts, contexts that a given split holds,
    then, after the cut, questions with answers none of which is in the context, and repeated ones (same
    context, question and first answer).

    Args:
        given: Questions by split; "train" is there.
        settings: Fractions.

    Raises:
        InputError: Nothing is left in a split.
    """
    dropped: Findings = {split: {} for split in SPLITS}
    train, dropped["train"]["blank"] = _part(
        given["train"], lambda one: not (one.question.strip() and one.context.strip())
    )
    for split in ("test", "validation"):
        train, dropped["train"][f"context_in_{split}"] = _sharing(train, given.get(split, ()))
    missing = [split for split in ("validation", "test") if split not in given]
    fractions = {
        f"{split}_fraction": getattr(settings, f"{split}_fraction") if split in missing else 0.0
        for split in ("validation", "test")
    }
    parts: dict[str, list[Question]] = {split: [] for split in SPLITS}
    for one in train:
        parts[part(one.context_key, **fractions)].append(one)
    splits = {split: parts[split] if split in missing else list(given[split]) for split in SPLITS[1:]}
    train, dropped["train"]["answer_not_found"] = _part(parts["train"], lambda one: not one.found)
    train, dropped["train"]["repeated"] = _repeated(train)
    splits = {"train": train, **splits}
    _refuse_empty(splits, given, missing)
    noticed: Findings = {
        split: {
            "answer_not_found": [one for one in splits[split] if not one.found],
            "repeated": _repeated(splits[split])[1],
        }
        for split in SPLITS[1:]
    }
    noticed["validation"]["context_in_test"] = _sharing(splits["validation"], splits["test"])[1]
    counts = {split: len(given[split]) for split in SPLITS if split in given}
    return Questions(splits=splits, given=counts, cut=missing, dropped=dropped, noticed=noticed)


def _refuse_empty(
    splits: Mapping[str, Sequence[Question]], given: Mapping[str, Sequence[Question]], missing: Sequence[str]
) -> None:
    if not splits["train"]:
        raise InputError(
            f"{given['train'][0].file.original}: no question is left to train on: all are blank, share their "
            "context with validation or test, or have answers that are not in their context"
        )
    for split in missing:
        if not splits[split]:
            raise InputError(
                f"data.{split}_fraction: no context of {len(given['train'])} training questions falls into "
                f"the {split} split; add contexts, raise it, or give a file {split}.json"
            )


def _sharing(
    questions: Sequence[Question], others: Sequence[Question]
) -> tuple[list[Question], list[Question]]:
    keys = {one.context_key for one in others}
    return _part(questions, lambda one: one.context_key in keys)


def _repeated(questions: Sequence[Question]) -> tuple[list[Question], list[Question]]:
    seen: set[tuple[bytes, bytes, str]] = set()

    def again(one: Question) -> bool:
        mark = (one.context_key, text_key(one.question), one.answers[0] if one.answers else "")
        before = mark in seen
        seen.add(mark)
        return before

    return _part(questions, again)


def _part(
    questions: Sequence[Question], found: Callable[[Question], bool]
) -> tuple[list[Question], list[Question]]:
    """Return the questions kept and those found, both in the order given."""
    judged = [(one, found(one)) for one in questions]
    return [one for one, is_found in judged if not is_found], [one for one, is_found in judged if is_found]
