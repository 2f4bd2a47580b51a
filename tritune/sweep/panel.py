"""A method's sweep as the report shows it: the loss at each rate, round by round, and the gradient norms."""

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tritune.charts import Line, line_chart, wide_enough
from tritune.sweep.halving import Trial, mean_loss
from tritune.sweep.result import Sweep

LINES_APART = 3
"""As many curves can be told apart; of more rounds the last ones are drawn."""


def panel(method: str, sweep: Sweep) -> Mapping[str, Any]:
    """Return what the template shows of one method's sweep.

    `chart` is None where no rate was sought, `norms` is empty where no gradient was taken.
    """
    share = sweep.steps / sweep.training_steps if sweep.training_steps else 0.0
    return {
        "method": method,
        "reason": sweep.reason,
        "cost": share,
        "seeds": len(sweep.seeds),
        "rounds": [
            {"steps": one.steps, "tried": len(curve)}
            for one, curve in zip(sweep.rounds, curves(sweep), strict=True)
        ],
        "chart": Markup(chart(method, sweep)) if sweep.trials else None,
        "norms": sweep.gradient_norms,
        "by_norm": bool(sweep.parts),
    }


def curves(sweep: Sweep) -> list[dict[int, float]]:
    """Return, of each round, the mean loss over the seeds by octave, lowest octave first."""
    found = []
    for number in range(len(sweep.rounds)):
        trials = [trial for trial in sweep.trials if trial.round == number]
        found.append({octave: mean_loss(of) for octave, of in sorted(_by_octave(trials).items())})
    return found


def chart(method: str, sweep: Sweep) -> str:
    """Return the mean loss of each round by rate, each seed's faintly; the rate that was found has a ring."""
    rounds = curves(sweep)
    lines = []
    shown = list(range(len(rounds)))[-LINES_APART:]
    for series, number in enumerate(shown, start=1):
        for seed in sweep.seeds:
            of = [one for one in sweep.trials if (one.round, one.seed) == (number, seed)]
            points = [(one.octave, one.loss) for one in of if one.loss is not None]
            lines.append(Line(sorted(points), series, faint=True))
        lines.append(Line(list(rounds[number].items()), series))
    octaves = [trial.octave for trial in sweep.trials]
    losses = [loss for number in shown for loss in rounds[number].values() if loss < math.inf]
    return line_chart(
        lines,
        title=f"{method}: validation loss by learning rate",
        x_label="learning rate, power of 2 times the plan's",
        x_range=(float(min(octaves)), float(max(octaves))),
        y_range=wide_enough(losses),
        marked=(math.log2(sweep.factor), min(rounds[-1].values())),
    )


def _by_octave(trials: list[Trial]) -> dict[int, list[Trial]]:
    found: dict[int, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.octave, []).append(trial)
    return found
