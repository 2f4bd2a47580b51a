"""What the data look like and what was done to them: the content of profile.json."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tritune.data.classification import Classification, rows_per_label, rows_without_label
from tritune.data.cleaned import Findings
from tritune.data.facts import Rows

EXAMPLES = 5
"""Row ids shown for each reason."""

WHY = {
    "blank_text": "the text is only white space",
    "repeated": "the same text with the same label came before",
    "conflicting_label": "the same text stands under several labels",
    "also_in_validation": "the text is in the validation split",
    "also_in_test": "the text is in the test split",
    "rare_class": "the class has fewer distinct training texts than data.min_rows_per_class",
}
"""Texts are the same when they differ only in letter case, white space or Unicode composition."""


def data_profile(data: Classification, *, task: str, labels_trimmed: Mapping[str, int]) -> dict[str, Any]:
    """Return the profile, fit for JSON.

    Args:
        data: The cleaned splits.
        task: Task family.
        labels_trimmed: Labels that lost white space at their ends, by given split.
    """
    return {
        "task": task,
        "labels": data.labels,
        "multi_label": data.multi_label,
        "rows_given": data.given,
        "splits_cut_from_train": data.cut,
        "splits": {split: _split(rows, data.labels) for split, rows in data.splits.items()},
        "dropped": findings(data.dropped),
        "dropped_classes": data.dropped_classes,
        "noticed_and_kept": findings(data.noticed),
        "labels_trimmed": {split: count for split, count in labels_trimmed.items() if count},
    }


def quantiles(lengths: Sequence[int] | np.ndarray) -> dict[str, int]:
    """Return lengths by nearest rank: the smallest that at least the named share does not exceed."""
    ordered = np.sort(lengths)
    shares = {"p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}
    ranked = {name: int(ordered[-(-len(ordered) * share // 100) - 1]) for name, share in shares.items()}
    return {"min": int(ordered[0]), **ranked, "max": int(ordered[-1])}


def _split(rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
    count = rows_per_label(rows)
    return {
        "rows": len(rows),
        "distinct_texts": len(np.unique(rows.keys)),
        "rows_per_label": {label: count[label] for label in labels},
        "labels_without_rows": [label for label in labels if not count[label]],
        "rows_without_label": rows_without_label(rows),
        "characters": quantiles(rows.facts.characters[rows.positions]),
    }


def findings(found: Findings, *, why: Mapping[str, str] = WHY) -> dict[str, Any]:
    """Return how many rows there are for each reason, and the first few of them.

    Args:
        why: Each reason in words.
    """
    return {
        split: {
            reason: {
                "why": why[reason],
                "rows": len(rows),
                "examples": rows.first_ids(EXAMPLES),
            }
            for reason, rows in reasons.items()
            if len(rows)
        }
        for split, reasons in found.items()
    }
