"""May a challenger replace the champion? Judged on the champion's own test rows, which both answered.

Three conditions, and all have to hold:
- overall it is shown not to be worse beyond `margin`: the burden of proof is the challenger's;
- no class is shown to be worse, beyond `class_margin`: here it is the objection that needs proof, since few
  classes have the rows to show anything. Classes are tested together by Holm's procedure;
- its expected calibration error is higher by `calibration_margin` at most, as measured, without a test.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tritune.errors import InputError
from tritune.promotion.paired_tests import non_inferiority_p, worse_p
from tritune.promotion.sheet import Sheet
from tritune.settings.register import RegisterSettings
from tritune.statistics.holm import LEVEL, holm

NAMED = 3
"""Classes that got worse, at most, in the sentence; `Verdict.numbers` has all."""

ROUNDING = 1e-9
"""0.90 - 0.85 is not 0.05 in floating point; what is exactly the margin worse passes."""


@dataclass(frozen=True)
class Verdict:
    """What the rows say."""

    promote: bool
    reason: str
    """One sentence, without a full stop."""

    numbers: Mapping[str, Any]
    """All that was compared, fit for JSON."""


@dataclass(frozen=True)
class _Class:
    rows: int
    champion: float
    challenger: float
    p: float
    """That it is not worse, adjusted for all classes."""


def judge(
    champion: Sheet, challenger: Sheet, settings: RegisterSettings, *, names: tuple[str, str]
) -> Verdict:
    """Return whether the challenger may take the champion's place, and why.

    Args:
        champion: Its answers to its test set.
        challenger: Its answers to the same rows.
        names: Of champion and challenger, for the sentence.

    Raises:
        InputError: They answered different rows, or a score is no finite number.
    """
    old, new = names
    if champion.rows != challenger.rows or champion.score != challenger.score:
        raise InputError(f"{new} and {old} did not answer the same test rows, so they can't be compared; "
                         f"compare them yourself, then `tritune promote {new} --force`")  # fmt: skip
    for name, sheet in ((old, champion), (new, challenger)):
        if broken := int(np.sum(~np.isfinite(sheet.scores))):
            raise InputError(
                f"{name}: {broken} of its {len(sheet.rows)} scores on the test rows of {old} are no finite "
                f"number, so {new} can't be compared; see its training for a loss that ran away"
            )
    rows = len(champion.rows)
    before, after = float(champion.scores.mean()), float(challenger.scores.mean())
    p = non_inferiority_p(champion.scores, challenger.scores, margin=settings.margin)
    classes = _classes(champion, challenger)
    worse = {
        name: one
        for name, one in classes.items()
        if one.p <= LEVEL and one.champion - one.challenger > settings.class_margin + ROUNDING
    }
    numbers = {
        "rows": rows,
        "score": champion.score,
        "champion": before,
        "challenger": after,
        "margin": settings.margin,
        "p_worse_beyond_margin": p,
        "classes": {name: asdict(one) for name, one in classes.items()},
        "calibration_error": {
            "champion": champion.calibration_error,
            "challenger": challenger.calibration_error,
        },
    }
    scores = f"{champion.score} {after:.4f} against {before:.4f} on the {rows} test rows of {old}"
    objections = []
    if not p <= LEVEL:  # a p-value that is no number shows nothing
        objections.append(_not_shown(before, after, p, settings.margin))
    objections += _worse(worse)
    errors = champion.calibration_error, challenger.calibration_error
    if None not in errors and not errors[1] - errors[0] <= settings.calibration_margin + ROUNDING:  # type: ignore[operator]
        objections.append(
            f"its expected calibration error is {errors[1]:.3f} instead of {errors[0]:.3f}, and "
            f"register.calibration_margin allows {settings.calibration_margin:g} more"
        )
    if objections:
        return Verdict(False, f"{new} is kept out: {scores}; {'; '.join(objections)}", numbers)
    no_class = ", no class is shown to be worse" if classes else ""
    calibrated = f", expected calibration error {errors[1]:.3f} against {errors[0]:.3f}" if errors[0] else ""
    return Verdict(
        True,
        f"{new} takes the place of {old}: {scores}, not worse by {settings.margin:g} or more ({p_text(p)})"
        f"{no_class}{calibrated}",
        numbers,
    )


def p_text(p: float) -> str:
    """Return a p-value for a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _not_shown(before: float, after: float, p: float, margin: float) -> str:
    if before - after > margin + ROUNDING:
        return f"register.margin allows {margin:g} less ({p_text(p)})"
    return (
        f"these rows are too few, or differ too much, to show that it is not worse by {margin:g} or more "
        f"({p_text(p)}, {LEVEL:g} is needed; a larger test set or register.margin would)"
    )


def _worse(classes: Mapping[str, _Class]) -> list[str]:
    """Return which classes got worse, those that lost most first."""
    by_loss = sorted(classes, key=lambda name: classes[name].challenger - classes[name].champion)
    told = [
        f"{name} is right {classes[name].challenger:.3f} of the time instead of {classes[name].champion:.3f} "
        f"({p_text(classes[name].p)})"
        for name in by_loss[:NAMED]
    ]
    more = len(by_loss) - NAMED
    return [*told, f"{more} more class{'es got' if more > 1 else ' got'} worse"] if more > 0 else told


def _classes(champion: Sheet, challenger: Sheet) -> dict[str, _Class]:
    p_values = holm(
        {name: worse_p(right, challenger.classes[name]) for name, right in champion.classes.items()}
    )
    return {
        name: _Class(
            rows=len(right),
            champion=float(right.mean()),
            challenger=float(challenger.classes[name].mean()),
            p=p_values[name],
        )
        for name, right in champion.classes.items()
    }
