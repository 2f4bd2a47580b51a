"""`tritune verify`: a registered version made again from its tag, and how close to it that comes."""

import signal
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from flows.display import Display
from tritune.metrics.catalogue import metric_title
from tritune.pipeline.registered_version import describe
from tritune.pipeline.registry import find
from tritune.pipeline.verify import LEAST_AGREEMENT, SCORE_TOLERANCE, Verification
from tritune.pipeline.verify import verify as verify_version

WORDS = {
    "bit-identical": "bit-identical: the model comes out the same to the last byte",
    "same within tolerance": "same within tolerance: other bytes, but scores and answers agree",
    "different": "different: the model does not come out as it was registered",
    "not rebuilt": "not rebuilt: the model could not be made again",
}


def verify(reference: str) -> int:
    """Make a version again, print the grade and what it rests on, and return the exit code: 1 if it differs.

    Raises:
        InputError: No such version, or its inputs cannot be had.
    """
    root = Path.cwd()
    console = Console(file=sys.stdout)
    signal.signal(signal.SIGTERM, _interrupt)
    # params.yaml may be another by now, or not even valid: nothing here reads it.
    with Display(console, metric=metric_of(root, reference)) as display:
        found = verify_version(root, reference, screen=display)
    for line in report(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0 if found.grade in {"bit-identical", "same within tolerance"} else 1


def metric_of(root: Path, reference: str) -> str:
    """Return the metric by which a version was chosen: what the screen shows after an epoch.

    Raises:
        InputError: No such version.
    """
    tags, event = find(root, reference)
    return describe(root, tags, [event])[0].metric


def report(found: Verification) -> list[str]:
    """Return what to print of a verification, line by line."""
    lines = [f"{found.version} is {WORDS[found.grade]}"]
    if found.error:
        lines += [f"  {line}" for line in found.error.splitlines()]
    if found.ran:
        lines.append(f"  {len(found.ran)} stages ran again: {', '.join(found.ran)}")
    if found.files:
        lines.append(f"  files that differ: {', '.join(found.files)}")
    for pair in found.scores:
        outside = "" if pair.within(SCORE_TOLERANCE) else f"  more than {SCORE_TOLERANCE:g} apart"
        lines.append(
            f"  {pair.split} {metric_title(pair.metric)}: {pair.first:.4f} registered, {pair.second:.4f} "
            f"made again{outside}"
        )
    for split, share in found.agreement.items():
        outside = "" if share >= LEAST_AGREEMENT else f"  less than {LEAST_AGREEMENT:.0%}"
        lines.append(f"  {split}: {share:.2%} of the answers are the same{outside}")
    if found.scores and not found.agreement:
        lines.append("  no predictions are on record: answers were not compared")
    if found.differences:
        lines.append("otherwise than when it was made:")
        lines += [f"  {difference}" for difference in found.differences]
    elif found.grade != "bit-identical":
        lines.append(
            "nothing on record is otherwise than when it was made: a stage is not deterministic here"
        )
    return lines


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
