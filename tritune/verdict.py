"""How sure the choice of a method is, and what would make it surer."""

from dataclasses import dataclass
from typing import Literal

from tritune.evidence import FEWEST_SEEDS, Evidence
from tritune.statistics.estimate import Estimate
from tritune.statistics.needed import MOST_SEEDS, examples_needed, seeds_needed

Decision = Literal["only", "better", "as_good", "undecided", "few_seeds"]
"""only: nothing to compare with. better: every other method is shown to be worse. as_good: the strongest
rival is at most `margin` better. undecided: neither is shown. few_seeds: how much is luck can't be told."""


@dataclass(frozen=True)
class Verdict:
    """How the chosen method stands against its strongest rival."""

    decision: Decision
    words: str
    """A sentence or two; empty where there is nothing to add."""


def judged(chosen: str, rival: str | None, margin: float, evidence: Evidence) -> Verdict:
    """Return how sure the choice is.

    Args:
        chosen: Name of the method that ships.
        rival: The best of the others by mean score; None without others.
        margin: Scores closer than this are as good as equal, in the metric's unit.
    """
    if rival is None:
        return Verdict("only", "")
    difference = evidence.between(chosen, rival)
    ahead = difference.of(chosen)
    if ahead.seeds < FEWEST_SEEDS:
        few = {1: "One seed", 2: "Two seeds"}[ahead.seeds]
        return Verdict(
            "few_seeds", f"{few} can't tell the methods from luck: list three or more seeds in params.yaml."
        )
    others = [name for name in evidence.means if name != chosen]
    if all(evidence.shown_worse(name, chosen) for name in others):
        return Verdict("better", "")
    ends = ahead.interval()
    if ends is None:
        return Verdict(
            "undecided",
            "Undecided: all seeds and examples differ by the same, which is too few to tell from.",
        )
    if ends[0] >= -margin:
        return Verdict("as_good", f"With 95% confidence {rival} is at most {max(-ends[0], 0):.4f} better.")
    worse = "worse" if ends[1] > 0 else "better"
    return Verdict(
        "undecided",
        f"Undecided: with 95% confidence {rival} is between {-ends[0]:.4f} better and {abs(ends[1]):.4f} "
        f"{worse}; {_wanted(ahead, margin, evidence.level)}.",
    )


def _wanted(ahead: Estimate, margin: float, level: float) -> str:
    """Return what would tell the two apart, or show them to be as good as each other."""
    # Whichever is closer: to be shown different, or to be shown within the margin.
    target = max(abs(ahead.value), margin + ahead.value)
    if target <= 0:
        return "nothing would tell two methods apart that score the same with a margin of 0"
    seeds = seeds_needed(ahead, target=target, level=level)
    if seeds is not None:
        more = seeds - ahead.seeds
        return f"about {more} more seed{'' if more == 1 else 's'} would tell"
    needed = examples_needed(ahead, target=target, level=level)
    if needed is None:
        return f"not even {MOST_SEEDS} seeds would tell"
    examples, seeds = needed
    return (
        f"more seeds alone would not tell on {ahead.examples:,} validation rows; about {examples:,} rows "
        f"with {seeds} seeds would"
    )
