"""Are new data fit to retrain on? What looks like an accident (a lost class, half a file) stops the night.

What is wrong with single rows (no label, not UTF-8) or with all (there are none) `ingest` has refused before.
"""

from tritune.drift.ingested import SPLITS, Ingested

LEAST_SHARE = 0.5
"""Of the champion's rows of a split or of a class that must still be there."""

FEWEST = 20
"""Rows of a class, or of a split, that the champion needs to have had for a loss to mean something."""


def unsound(new: Ingested, champion: Ingested, *, name: str) -> str | None:
    """Return why the new data look broken beside the champion's, in one sentence, or None.

    Refused: columns of another name or type, a class that is gone, and a split or class of which less than
    half is left. More rows, and classes that are new, are no accident.

    Args:
        name: Of the champion.
    """
    found = []
    if new.columns != champion.columns:
        found.append(f"they have {_columns(new)}, and the data of {name} {_columns(champion)}")
    gone = [label for label in champion.labels if label not in set(new.labels)]
    if gone:
        found.append(f"they lack {_listed(gone)}, which {name} knows")
    for split in SPLITS:
        before, now = len(champion.splits[split]), len(new.splits[split])
        if before >= FEWEST and now < LEAST_SHARE * before:
            found.append(f"{split} has {now} rows, and had {before} for {name}")
    now_per_class = new.rows_per_class
    for label, before in sorted(champion.rows_per_class.items()):
        if label not in gone and before >= FEWEST and now_per_class[label] < LEAST_SHARE * before:
            found.append(f"{label!r} has {now_per_class[label]} training rows, and had {before} for {name}")
    if not found:
        return None
    more = f"; and {len(found) - 3} more of this kind" if len(found) > 3 else ""
    return (
        f"the new data look broken: {'; '.join(found[:3])}{more}. Mend data.source; if they are meant to be "
        "so, train on them by hand with `tritune run`"
    )


def _columns(data: Ingested) -> str:
    return "columns " + ", ".join(f"{name} ({kind})" for name, kind in data.columns.items())


def _listed(labels: list[str]) -> str:
    shown = ", ".join(map(repr, labels[:5]))
    return f"the class{'es' if len(labels) > 1 else ''} {shown}" + (
        f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    )
