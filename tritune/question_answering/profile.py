"""What the questions look like and what was done to them: the content of profile.json."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tritune.data.profile import EXAMPLES, quantiles
from tritune.question_answering.questions import Question
from tritune.question_answering.splits import Findings, Questions

WHY = {
    "blank": "the question or the context is only white space",
    "context_in_validation": "the context is in the validation split",
    "context_in_test": "the context is in the test split",
    "answer_not_found": "it has answers, but none of them is in the context",
    "repeated": "the same question with the same context and first answer came before",
}
"""Texts are the same when they differ only in letter case, white space or Unicode composition."""


def question_profile(data: Questions) -> dict[str, Any]:
    """Return the profile, fit for JSON; its texts are the contexts."""
    return {
        "task": "question_answering",
        "labels": [],
        "rows_given": data.given,
        "splits_cut_from_train": data.cut,
        "splits": {split: _split(questions) for split, questions in data.splits.items()},
        "dropped": _findings(data.dropped),
        "dropped_classes": {},
        "noticed_and_kept": _findings(data.noticed),
    }


def _split(questions: Sequence[Question]) -> dict[str, Any]:
    how = Counter(place.how for one in questions for place in one.places)
    answers = [answer for one in questions for answer in one.answers]
    return {
        "rows": len(questions),
        "distinct_texts": len({one.context_key for one in questions}),
        "without_answer": sum(not one.answers for one in questions),
        "answers": {
            "given": len(answers),
            "at_their_place": how["as_given"],
            "found_elsewhere": how["moved"],
            "not_in_context": how["not_found"],
            "blank_left_out": sum(one.blank_answers for one in questions),
        },
        "characters": quantiles([len(one.context) for one in questions]),
        "question_characters": quantiles([len(one.question) for one in questions]),
        "answer_characters": quantiles([len(answer) for answer in answers]) if answers else {},
    }


def _findings(findings: Findings) -> dict[str, Any]:
    return {
        split: {
            reason: {
                "why": WHY[reason],
                "rows": len(questions),
                "examples": [one.id for one in questions[:EXAMPLES]],
            }
            for reason, questions in reasons.items()
            if questions
        }
        for split, reasons in findings.items()
    }
