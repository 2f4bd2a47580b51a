"""Scores of entities, on whole words: an entity is right when its type and both its ends are.

The same numbers as seqeval's `precision_recall_fscore_support` in its default mode, micro averaged, and 0
where nothing can be divided.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tritune.tags import Entity, entities

Sentences = Sequence[Sequence[str]]
"""Tags of each word of each sentence."""


@dataclass(frozen=True)
class TypeScores:
    """One type of entity on one split."""

    type: str
    entities: int
    """In the file."""

    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """In [0, 1]."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """In [0, 1]."""
        return self.correct / self.entities if self.entities else 0.0

    @property
    def f1(self) -> float:
        """In [0, 1]."""
        both = self.predicted + self.entities
        return 2 * self.correct / both if both else 0.0


def type_scores(gold: Sentences, predicted: Sentences) -> list[TypeScores]:
    """Return one element per type that is in the file or predicted, sorted by type."""
    in_file: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for true, answer in zip(gold, predicted, strict=True):
        true_entities, answers = entities(true), entities(answer)
        in_file.update(one.type for one in true_entities)
        answered.update(one.type for one in answers)
        correct.update(one.type for one in set(true_entities) & set(answers))
    types = sorted(in_file | answered)
    return [TypeScores(name, in_file[name], answered[name], correct[name]) for name in types]


def entity_metrics(gold: Sentences, predicted: Sentences) -> dict[str, float]:
    """Return entity_f1, entity_precision, entity_recall and accuracy, each in [0, 1].

    Args:
        gold: As in the file: every entity and word of it counts.
        predicted: As many tags for each sentence.
    """
    each = type_scores(gold, predicted)
    whole = TypeScores(
        "all",
        sum(one.entities for one in each),
        sum(one.predicted for one in each),
        sum(one.correct for one in each),
    )
    words = sum(map(len, gold))
    right = sum(
        true == answer
        for pair in zip(gold, predicted, strict=True)
        for true, answer in zip(*pair, strict=True)
    )
    return {
        "entity_f1": whole.f1,
        "entity_precision": whole.precision,
        "entity_recall": whole.recall,
        "accuracy": right / words if words else 0.0,
    }


class Mistake(NamedTuple):
    """One entity that is not right."""

    gold: Entity | None
    """None: there is no entity where the model found one."""

    predicted: Entity | None
    """The answer that shares most words with it; None: the model found nothing there."""


def mistakes(gold: Sequence[str], predicted: Sequence[str]) -> list[Mistake]:
    """Return what is wrong in one sentence, in the order of its words.

    Each entity of the file that is not right is there once, and each answer that shares no word with one of
    the file; an answer may stand against several entities.
    """
    true, answers = entities(gold), entities(predicted)
    right = set(true) & set(answers)
    found: list[Mistake] = []
    for one in true:
        if one not in right:
            nearest = max(answers, key=lambda answer, one=one: _shared(one, answer), default=None)
            found.append(Mistake(one, nearest if nearest and _shared(one, nearest) else None))
    found += [Mistake(None, one) for one in answers if not any(_shared(one, other) for other in true)]
    return sorted(found, key=lambda mistake: min(one.start for one in mistake if one is not None))


def _shared(one: Entity, other: Entity) -> int:
    """Return how many words two entities share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
