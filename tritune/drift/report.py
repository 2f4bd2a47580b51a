"""How new rows differ from the champion's: labels, classes, lengths, words, meaning; tested together by Holm.

Rows that both have would make any two samples alike, and tests want independent samples: rows are compared
that only one side has with those of the other side.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tritune.drift.ingested import Example, Ingested
from tritune.drift.two_samples import counts_p, lengths_p, unseen_p, vectors_p
from tritune.statistics.holm import LEVEL, holm
from tritune.words import words_of

FEWEST = 20
"""Rows of each side without which nothing is tested."""

MOST = 1000
"""Rows of each side that are looked at, those with the lowest hashes."""

MOST_WORDS = 2000
SEED = 7

Embed = Callable[[Sequence[str]], np.ndarray]
"""From texts to [texts, width] vectors."""


@dataclass(frozen=True)
class Check:
    """One kind of drift."""

    kind: str
    size: float
    """How large the difference is, in the unit that `unit` says."""

    unit: str
    p: float
    """Adjusted for all checks together."""

    drift: bool


@dataclass(frozen=True)
class DriftReport:
    """New rows beside the champion's."""

    added: int
    """Rows whose text or labels the champion's data lack."""

    removed: int
    """Rows of the champion's data whose text or labels are gone."""

    new_labels: Sequence[str]
    """Told whether or not they are more than chance: a rare class may be missing from the champion's data."""

    checks: Sequence[Check]
    """Empty where a side has too few rows to test."""

    corrected: int = 0
    """Rows that the champion's data have with other answers, tags or roles, or in another split."""

    @property
    def drift(self) -> bool:
        return any(check.drift for check in self.checks)

    @property
    def calls_for_training(self) -> bool:
        """The rule: there are rows or classes that the champion's data lack, or what is left differs."""
        return self.added + self.corrected > 0 or bool(self.new_labels) or self.drift

    @property
    def sentence(self) -> str:
        """What there is to say in a few words."""
        parts = [f"{self.added} new rows" if self.added else "no new row"]
        if self.removed:
            parts.append(f"{self.removed} gone")
        if self.corrected:
            parts.append(f"{self.corrected} known with other answers, tags or roles, or in another split")
        if self.new_labels:
            parts.append(
                f"new classes: {', '.join(self.new_labels[:3])}{' ...' * (len(self.new_labels) > 3)}"
            )
        drifted = [f"{check.kind} ({check.size:.3f} {check.unit})" for check in self.checks if check.drift]
        if drifted:
            parts.append(f"drift in {', '.join(drifted)}")
        elif self.checks:
            parts.append("no drift")
        elif self.added or self.removed:
            parts.append(f"too few to test for drift (fewer than {FEWEST})")
        return ", ".join(parts)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "drift": self.drift, "sentence": self.sentence}


def report_from_json(content: Mapping[str, Any]) -> DriftReport:
    """Return what `as_json` gave."""
    checks = [Check(**check) for check in content["checks"]]
    return DriftReport(
        content["added"], content["removed"], content["new_labels"], checks, content["corrected"]
    )


def drift_report(champion: Ingested, new: Ingested, *, embed: Embed | None) -> DriftReport:
    """Return how the data differ.

    New rows are compared with all of the champion's; where there are none, the rows that are gone with those
    that are left.

    Args:
        embed: Gives a text's meaning as a vector, by the base model; None: this check is left out.
    """
    _, added = _parted(new, champion, _tested)
    common, removed = _parted(champion, new, _tested)
    _, changed = _parted(new, champion, _whole)
    first, second = (champion.examples, added) if added else (common, removed)
    new_labels = [label for label in new.labels if label not in set(champion.labels)]
    checks: list[Check] = []
    if min(len(first), len(second)) >= FEWEST:
        checks = compare(_sampled(first), _sampled(second), embed=embed)
    return DriftReport(len(added), len(removed), new_labels, checks, len(changed) - len(added))


def compare(first: Sequence[Example], second: Sequence[Example], *, embed: Embed | None) -> list[Check]:
    """Return every check of two samples; the chance of any drift where there is none is at most `LEVEL`."""
    found: dict[str, tuple[float, str, float]] = {}
    labels = [_counted([one.labels for one in side]) for side in (first, second)]
    if labels[0] or labels[1]:
        matrices = _matrices([[one.labels for one in side] for side in (first, second)], most=None)
        size = _total_variation(*labels)
        found["labels"] = (size, "total variation", counts_p(*matrices, seed=SEED))
        unseen = sum(n for name, n in labels[1].items() if name not in labels[0])
        share = unseen / max(sum(labels[1].values()), 1)
        found["classes"] = (share, "of the labels unseen", unseen_p(*matrices, seed=SEED))
    lengths = [np.array([len(one.text) for one in side]) for side in (first, second)]
    distance, p = lengths_p(*lengths)
    found["lengths"] = (distance, "Kolmogorov-Smirnov distance", p)
    words = [[_distinct_words(one.text) for one in side] for side in (first, second)]
    known = {word for text in words[0] for word in text}
    theirs = [word for text in words[1] for word in text]
    unknown = sum(word not in known for word in theirs) / max(len(theirs), 1)
    p = counts_p(*_matrices(words, most=MOST_WORDS), seed=SEED)
    found["vocabulary"] = (unknown, "of the words unseen", p)
    if embed is not None:
        vectors = [embed([one.text for one in side]) for side in (first, second)]
        found["embeddings"] = (
            _mean_shift(*vectors),
            "standard deviations between the means",
            vectors_p(*vectors, seed=SEED),
        )
    adjusted = holm({kind: p for kind, (_, _, p) in found.items()})
    return [
        Check(kind, size, unit, adjusted[kind], adjusted[kind] <= LEVEL)
        for kind, (size, unit, _) in found.items()
    ]


def _tested(one: Example) -> Hashable:
    """Return what the tests look at."""
    return one.text, one.labels


def _whole(one: Example) -> Hashable:
    return one


def _parted(
    data: Ingested, other: Ingested, key: Callable[[Example], Hashable]
) -> tuple[list[Example], list[Example]]:
    """Return the rows that `other` has too, and those that it lacks.

    Of a row that `data` has twice and `other` once, one is common and one lacking.
    """
    left = Counter(map(key, other.examples))
    common, lacking = [], []
    for one in data.examples:
        if left[key(one)]:
            left[key(one)] -= 1
            common.append(one)
        else:
            lacking.append(one)
    return common, lacking


def _distinct_words(text: str) -> list[str]:
    return sorted({word.text.lower() for word in words_of(text)})


def _sampled(examples: Sequence[Example]) -> list[Example]:
    return sorted(examples, key=_hash)[:MOST]


def _hash(one: Example) -> bytes:
    return hashlib.sha256("\0".join((one.text, *one.labels)).encode()).digest()


def _matrices(sides: Sequence[Sequence[Sequence[str]]], *, most: int | None) -> list[Any]:
    """Return for each side a sparse [rows, names], how often each name occurs; the most frequent of both."""
    # Here, for a night in which nothing changed has no use for the seconds that it takes to load.
    from scipy import sparse

    common = _counted([*sides[0], *sides[1]]).most_common(most)
    names = {name: column for column, (name, _) in enumerate(common)}
    found = []
    for side in sides:
        cells = Counter((row, names[name]) for row, own in enumerate(side) for name in own if name in names)
        places = np.array(list(cells), dtype=np.int64).reshape(-1, 2)
        values = np.array(list(cells.values()), dtype=np.float32)
        found.append(sparse.csr_matrix((values, (places[:, 0], places[:, 1])), shape=(len(side), len(names))))
    return found


def _counted(rows: Sequence[Sequence[str]]) -> Counter[str]:
    return Counter(name for row in rows for name in row)


def _total_variation(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Return half the sum of the differences between two distributions, in [0, 1]."""
    sums = max(sum(first.values()), 1), max(sum(second.values()), 1)
    names = {*first, *second}
    return sum(abs(first.get(n, 0) / sums[0] - second.get(n, 0) / sums[1]) for n in names) / 2


def _mean_shift(first: np.ndarray, second: np.ndarray) -> float:
    spread = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 2)
    shift = np.abs(first.mean(axis=0) - second.mean(axis=0))
    return float(np.mean(np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 0)))
