"""What a sweep may spend: which rates it begins with, from which seeds, in rounds of which length."""

from itertools import pairwise

from tritune.sweep.halving import Rung

RUNGS = (Rung(share=1 / 8, kept=3), Rung(share=1 / 2, kept=1))
"""See docs/decisions/0015-rates-by-sweep.md."""

OCTAVES = (-2, -1, 0, 1, 2)
"""Powers of 2 that the plan's rates are multiplied with at first: a quarter to four times."""

LOWEST, HIGHEST = -5, 4
"""As far as the search goes where the best of those tried is the first or the last."""

SEEDS = (1, 2)

TRAININGS_OF_A_SWEEP = len(SEEDS) * (
    len(OCTAVES) * RUNGS[0].share + sum(before.kept * rung.share for before, rung in pairwise(RUNGS))
)
"""Steps of a sweep as a multiple of those of one training; more where an end of the line is the best."""
