"""May a candidate take the champion's place? Not if it is worse on the same test set, beyond a margin."""

from collections.abc import Mapping
from dataclasses import dataclass

from tritune.metrics.catalogue import advantage

ROUNDING = 1e-9
"""0.90 - 0.89 is not 0.01 in floating point; a score that is exactly the margin below passes."""


@dataclass(frozen=True)
class Contender:
    """What the gate looks at in a version."""

    version: str
    test: Mapping[str, float]
    """Scores of the model on its test set; empty where the version does not say."""

    test_set: str | None
    """Hash of the test rows; None where it is not known."""


def refusal(candidate: Contender, champion: Contender, *, metric: str, margin: float) -> str | None:
    """Return why the candidate may not replace the champion, in one sentence, or None when it may.

    Args:
        metric: Decides; higher or lower is better as it is for that metric.
        margin: How much worse the candidate may be, in the metric's own unit. At least 0.
    """
    pair = f"{candidate.version} and the champion {champion.version}"
    forced = f"promote it all the same with `tritune promote {candidate.version} --force`"
    if metric not in candidate.test or metric not in champion.test:
        silent = champion.version if metric in candidate.test else candidate.version
        return (
            f"{pair} cannot be compared: {silent} has no test {metric} in results/comparison.json; set "
            f"compare.metric in params.yaml to one that both have, or {forced}"
        )
    ours, theirs = candidate.test[metric], champion.test[metric]
    scores = f"test {metric} {ours:.4f} and {theirs:.4f}"
    if candidate.test_set is None or champion.test_set is None:
        silent = champion.version if candidate.test_set else candidate.version
        return (
            f"{pair} ({scores}) may have been tested on different rows: which ones {silent} was tested on is "
            f"not on record; compare them yourself on the same rows with `tritune predict`, or {forced}"
        )
    if candidate.test_set != champion.test_set:
        return (
            f"{pair} were tested on different rows, so that {scores} say nothing about which is better; "
            "score both on the same rows (give your data a test split of its own and it stays the same), "
            f"or {forced}"
        )
    if advantage(metric, ours, theirs) < -margin - ROUNDING:
        return (
            f"{candidate.version} is worse than the champion {champion.version} on the same test set: "
            f"{scores}, and register.margin in params.yaml allows {margin:g}; train a better one, or {forced}"
        )
    return None
