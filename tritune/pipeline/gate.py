"""The gate before production: a candidate must not be worse than the champion on the same test rows."""

from dataclasses import dataclass

from tritune.metrics.direction import HIGHER_IS_BETTER, advantage
from tritune.settings.train import Metric

ROUNDING = 1e-9
"""0.91 - 0.90 is a little more than 0.01 in binary; a candidate exactly at the margin passes."""


@dataclass(frozen=True)
class Contender:
    """A version as the gate sees it."""

    version: str
    score: float | None
    """On its test split, in the metric's unit; None: its comparison does not have the metric."""

    test_set: str | None
    """Hash of the test rows; None: unknown."""


def objection(candidate: Contender, champion: Contender, *, metric: Metric, margin: float) -> str | None:
    """Return why the candidate should not replace the champion, in a sentence without its end, or None.

    Args:
        candidate: Who wants to be champion.
        champion: Who is.
        metric: On the test split; lower is better for some.
        margin: How much worse the candidate may score, in the metric's unit. At least 0.
    """
    if candidate.test_set is None or champion.test_set is None:
        unknown = candidate.version if candidate.test_set is None else champion.version
        return (
            f"the test rows of {unknown} are not known here (neither DVC's cache nor a remote has its "
            "data/ingested), so the scores may not be comparable"
        )
    if candidate.test_set != champion.test_set:
        return (
            f"{candidate.version} and {champion.version} were tested on different rows "
            f"({metric} {_shown(candidate)} and {_shown(champion)}), which says nothing about which is better"
        )
    if candidate.score is None or champion.score is None:
        unscored = candidate if candidate.score is None else champion
        return f"{unscored.version} has no test {metric}, so it cannot be compared"
    deficit = advantage(metric, champion.score, candidate.score)
    if deficit <= margin + ROUNDING:
        return None
    direction = "below" if HIGHER_IS_BETTER[metric] else "above"
    return (
        f"test {metric} of {candidate.version} is {_shown(candidate)}, {deficit:.6g} {direction} the "
        f"{_shown(champion)} of {champion.version}, and register.margin allows {margin:g}"
    )


def _shown(contender: Contender) -> str:
    return "unknown" if contender.score is None else f"{contender.score:.4f}"
