"""How far two evaluations of the same rows agree: in every score, and answer by answer."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

ANSWERS = ("predicted", "generated")
"""The column of predictions.parquet that holds what the model answers; the first that is there."""


@dataclass(frozen=True)
class ScorePair:
    """One score of one split, of both."""

    split: str
    metric: str
    first: float
    second: float

    def within(self, tolerance: float) -> bool:
        """Tell whether they differ by at most `tolerance`, or by that share of a score above 1.

        Losses and perplexities have no upper end: there the tolerance is relative.
        """
        return abs(self.first - self.second) <= tolerance * max(1.0, abs(self.first))


def score_pairs(
    first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
) -> list[ScorePair]:
    """Return every score of `first` beside that of `second`, which is not a number where it is missing."""
    return [
        ScorePair(split, metric, score, second.get(split, {}).get(metric, float("nan")))
        for split, scores in first.items()
        for metric, score in scores.items()
    ]


def agreement(first: pa.Table, second: pa.Table) -> dict[str, float]:
    """Return for each split the share of rows, in [0, 1], with the same answer in both tables.

    Texts are compared letter by letter. Rows that have no answer in either (dialogue writes a reply for a
    sample of the turns) do not count; a split without any answer is left out.

    Args:
        first, second: predictions.parquet of the stage `evaluate`. Tables of other rows agree nowhere.
    """
    column = next(name for name in ANSWERS if name in first.column_names)
    keys = [name for name in ("split", "id", "turn") if name in first.column_names]
    same_rows = all(
        name in second.column_names and first.column(name).equals(second.column(name)) for name in keys
    )
    answers = first.column(column).to_pylist()
    others = second.column(column).to_pylist() if same_rows else [object()] * len(answers)
    shares = {}
    for split in pc.unique(first.column("split")).to_pylist():
        pairs = [
            (one, other)
            for own, one, other in zip(first.column("split").to_pylist(), answers, others, strict=True)
            if own == split and not (one is None and other is None)
        ]
        if pairs:
            shares[split] = sum(one == other for one, other in pairs) / len(pairs)
    return shares
