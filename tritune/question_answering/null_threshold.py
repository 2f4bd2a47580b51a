"""How far "no answer" has to be ahead of the best span before it is the answer.

As the official SQuAD v2 script finds its best threshold (`find_best_thresh`), for F1. It is set on the
validation split and used as it is on the test split and on new questions. Where we differ from the script:
the threshold lies half-way between two questions, and of several equally good ones it is the one nearest to
0.
"""

from collections.abc import Sequence

import numpy as np


def best_threshold(leads: Sequence[float], answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """Return the threshold that gives the highest sum of scores.

    A question is answered by its best span when its lead is at most the threshold, else by "no answer".

    Args:
        leads: Of each question: the score of "no answer" less that of its best span. Infinite: there is no
            span.
        answered: Score of the best span, in [0, 1].
        unanswered: Score of "no answer", in [0, 1].
    """
    finite = np.isfinite(np.asarray(leads, dtype=np.float64))
    lead = np.asarray(leads, dtype=np.float64)[finite]
    if len(lead) == 0:
        return 0.0
    gains = (np.asarray(answered, dtype=np.float64) - np.asarray(unanswered, dtype=np.float64))[finite]
    values, places = np.unique(lead, return_inverse=True)
    # sums[k]: what is gained when the questions with the k lowest leads are answered.
    sums = np.concatenate([[0.0], np.cumsum(np.bincount(places, weights=gains))])
    between = (values[:-1] + values[1:]) / 2
    cuts = np.concatenate([[min(values[0] - 1, 0.0)], between, [max(values[-1] + 1, 0.0)]])
    best = cuts[np.isclose(sums, sums.max(), rtol=0, atol=1e-9)]
    return float(best[np.argmin(np.abs(best))])
